import { startPostgres } from '../packages/server/test/services/postgres.ts'
import { alternate, type Line, rate } from './figures.ts'
import { load, startBare, startLiveKV, temporaryDirectory } from './processes.ts'

/** `POST /add`, 64 connections: durable, against a bare Express 5 handler that does nothing. */
export async function add(): Promise<Line[]> {
  const directory = await temporaryDirectory()
  const postgres = await startPostgres()
  const bare = await startBare()
  const embedded = await startLiveKV({ DATA_DIR: directory.path })
  const server = await startLiveKV({ DATABASE_URL: postgres.url })
  try {
    const run = (url: string) => async () => {
      const { requestsPerSecond, errors } = await load({
        url,
        kind: 'add',
        keys: 1_000,
        connections: 64,
        seconds: 4,
      })
      if (errors > 0) throw new Error(`${errors} requests failed at ${url}`)
      return requestsPerSecond
    }
    for (const { url } of [bare, embedded, server]) await run(url)()
    const rates = await alternate({
      bare: run(bare.url),
      embedded: run(embedded.url),
      server: run(server.url),
    })
    return [
      rate('a. POST /add, embedded, against bare Express', rates.embedded, rates.bare, 0.7),
      rate('a. POST /add, PostgreSQL, against bare Express', rates.server, rates.bare, 0.7),
    ]
  } finally {
    for (const { stop } of [bare, embedded, server]) await stop()
    await postgres.stop()
    await directory.remove()
  }
}
