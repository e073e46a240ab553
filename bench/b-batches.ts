import { startPostgres } from '../packages/server/test/services/postgres.ts'
import { alternate, type Line, rate } from './figures.ts'
import { load, startLiveKV, temporaryDirectory } from './processes.ts'
import { bareCommits, commitRate, embeddedTarget, openStore } from './stores.ts'

const ITEMS = 500
const KEYS = 5_000

/**
 * Batches of 500: through the store and through HTTP, against a bare `pg` script that calls the same procedure.
 * Embedded there is one session, so the three take turns on the same engine.
 */
export async function batches(): Promise<Line[]> {
  return [...(await onServer()), ...(await embedded())]
}

async function onServer(): Promise<Line[]> {
  const postgres = await startPostgres()
  const store = await openStore({ url: postgres.url, poolSize: 4 })
  const bare = await bareCommits({ connectionString: postgres.url })
  const http = await startLiveKV({ DATABASE_URL: postgres.url })
  try {
    const rates = await alternate({
      bare: () => commitRate((writes) => bare.commit(writes), ITEMS, KEYS, 3),
      store: () => commitRate((writes) => store.commit(writes), ITEMS, KEYS, 3),
      http: () => throughHttp(http.url),
    })
    return [
      rate('b. batches of 500 through the store, PostgreSQL', rates.store, rates.bare, 0.8, ' rows/s'),
      rate('b. batches of 500 through HTTP, PostgreSQL', rates.http, rates.bare, 0.5, ' rows/s'),
    ]
  } finally {
    await http.stop()
    await bare.close()
    await store.close()
    await postgres.stop()
  }
}

async function embedded(): Promise<Line[]> {
  const directory = await temporaryDirectory()
  try {
    // Makes the tables.
    await (await openStore(await embeddedTarget(directory.path))).close()
    const rates = await alternate({
      bare: async () => {
        const target = await embeddedTarget(directory.path)
        const bare = await bareCommits({
          user: 'postgres',
          database: 'postgres',
          stream: () => target.embedded.connect(),
        } as object)
        const result = await commitRate((writes) => bare.commit(writes), ITEMS, KEYS, 3)
        await bare.close()
        await target.embedded.close()
        return result
      },
      store: async () => {
        const store = await openStore(await embeddedTarget(directory.path))
        const result = await commitRate((writes) => store.commit(writes), ITEMS, KEYS, 3)
        await store.close()
        return result
      },
      http: async () => {
        const http = await startLiveKV({ DATA_DIR: directory.path })
        const result = await throughHttp(http.url)
        await http.stop()
        return result
      },
    })
    return [
      rate('b. batches of 500 through the store, embedded', rates.store, rates.bare, 0.8, ' rows/s'),
      rate('b. batches of 500 through HTTP, embedded', rates.http, rates.bare, 0.5, ' rows/s'),
    ]
  } finally {
    await directory.remove()
  }
}

async function throughHttp(url: string): Promise<number> {
  const { requestsPerSecond, errors } = await load({
    url,
    kind: 'batch',
    keys: KEYS,
    connections: 4,
    seconds: 3,
    items: ITEMS,
  })
  if (errors > 0) throw new Error(`${errors} requests failed at ${url}`)
  return requestsPerSecond * ITEMS
}
