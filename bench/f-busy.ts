import { setTimeout as sleep } from 'node:timers/promises'
import { writeLog } from './e-start.ts'
import { type Line, quantile } from './figures.ts'
import { load, startLiveKV, temporaryDirectory } from './processes.ts'

const SECONDS = 15

/**
 * A lone write's latency, embedded, idle and while 10 million changes are exported, candles asked all the time, and a
 * checkpoint runs.
 */
export async function busy(): Promise<Line[]> {
  const directory = await temporaryDirectory()
  try {
    await writeLog(directory.path, 10_000_000)
    const http = await startLiveKV({ DATA_DIR: directory.path })
    try {
      const idle = await loneWrites(http.url)
      // So much log that the engine makes a checkpoint a few seconds later, when only lone writes come.
      await load({ url: http.url, kind: 'batch', keys: 5_000, connections: 1, items: 500, seconds: 3 })
      const before = await checkpoints(http.url)
      const stop = new AbortController()
      const others = Promise.all([exportAll(http.url, stop.signal), candles(http.url, stop.signal)])
      const under = await loneWrites(http.url)
      stop.abort()
      const [pages, asked] = await others
      const after = await checkpoints(http.url)
      const name = `f. lone write, export (${pages} pages of 5,000) and candles (${asked} asked) meanwhile`
      return [
        { name: 'f. lone write, idle', figures: spread(idle), aim: '', met: undefined },
        {
          name,
          figures: spread(under),
          ratio: quantile(under, 0.5) / quantile(idle, 0.5),
          aim: 'told',
          met: undefined,
        },
        {
          name: 'f. checkpoints meanwhile',
          figures: `${after.count - before.count}, the last ${after.lastMs.toFixed(0)} ms`,
          aim: 'told',
          met: undefined,
        },
      ]
    } finally {
      await http.stop()
    }
  } finally {
    await directory.remove()
  }
}

async function loneWrites(url: string): Promise<number[]> {
  const latencies: number[] = []
  const end = performance.now() + SECONDS * 1_000
  for (let n = 0; performance.now() < end; n++) {
    const from = performance.now()
    const body = `{"key":"lone","value":${n}}`
    await (
      await fetch(`${url}/add`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    ).text()
    latencies.push(performance.now() - from)
    await sleep(5)
  }
  return latencies
}

async function exportAll(url: string, signal: AbortSignal): Promise<number> {
  let pages = 0
  for (let since = 0; !signal.aborted; pages++) {
    const answer = await fetch(`${url}/api/v1/changes?since=${since}&limit=5000`)
    const { changes } = (await answer.json()) as { changes: { revision: number }[] }
    since = changes.at(-1)?.revision ?? 0
  }
  return pages
}

async function candles(url: string, signal: AbortSignal): Promise<number> {
  let asked = 0
  for (; !signal.aborted; asked++) {
    await (await fetch(`${url}/api/v1/candles?key=key-${asked % 5_000}&interval=1m&limit=100`)).text()
    await sleep(20)
  }
  return asked
}

async function checkpoints(url: string): Promise<{ count: number; lastMs: number }> {
  const status = (await (await fetch(`${url}/api/v1/status`)).json()) as { engine?: Record<string, number> }
  const { checkpoints = 0, lastCheckpointMs = 0 } = status.engine ?? {}
  return { count: checkpoints, lastMs: lastCheckpointMs }
}

function spread(latencies: readonly number[]): string {
  const at = (q: number) => quantile(latencies, q).toFixed(2)
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${Math.max(...latencies).toFixed(1)} ms (${latencies.length})`
}
