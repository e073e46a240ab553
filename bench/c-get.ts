import { alternate, type Line, rate } from './figures.ts'
import { load, startBare, startLiveKV, temporaryDirectory } from './processes.ts'

/** `GET /get/:key` from memory, 64 connections, against a bare Express 5 handler. */
export async function get(): Promise<Line[]> {
  const directory = await temporaryDirectory()
  const bare = await startBare()
  const livekv = await startLiveKV({ DATA_DIR: directory.path })
  try {
    const writes = Array.from({ length: 1_000 }, (_, n) => ({ op: 'put', key: `key-${n}`, value: n / 100 }))
    const body = JSON.stringify({ writes })
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch(`${livekv.url}/api/v1/batch`, { method: 'POST', body, headers })
    if (!answer.ok) throw new Error(await answer.text())
    const run = (url: string) => async () => {
      const { requestsPerSecond, errors } = await load({
        url,
        kind: 'get',
        keys: 1_000,
        connections: 64,
        seconds: 4,
      })
      if (errors > 0) throw new Error(`${errors} requests failed at ${url}`)
      return requestsPerSecond
    }
    for (const { url } of [bare, livekv]) await run(url)()
    const rates = await alternate({ bare: run(bare.url), livekv: run(livekv.url) })
    return [rate('c. cached GET against bare Express', rates.livekv, rates.bare, 0.75)]
  } finally {
    for (const { stop } of [bare, livekv]) await stop()
    await directory.remove()
  }
}
