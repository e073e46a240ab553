import { fork } from 'node:child_process'
import { once } from 'node:events'
import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Line, quantile } from './figures.ts'
import { post, startLiveKV, temporaryDirectory } from './processes.ts'

const WATCHERS = 100
const WRITES_PER_SECOND = 50
const SECONDS = 15

/** From sending a write over HTTP to a classic watcher's `valueUpdate`: 100 watchers of one key, 50 writes a second. */
export async function watchers(): Promise<Line[]> {
  const directory = await temporaryDirectory()
  const http = await startLiveKV({ DATA_DIR: directory.path })
  try {
    const child = fork(new URL('watch.ts', import.meta.url), [http.url, String(WATCHERS)], {
      execPath: process.execPath,
    })
    await once(child, 'message')
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const start = performance.now()
    for (let n = 0; n < WRITES_PER_SECOND * SECONDS; n++) {
      await sleep(Math.max(0, start + n * (1_000 / WRITES_PER_SECOND) - performance.now()))
      const body = `{"key":"gold","value":${performance.timeOrigin + performance.now()}}`
      await post(agent, `${http.url}/add`, body)
    }
    await sleep(500)
    child.send('report')
    const [latencies] = (await once(child, 'message')) as [number[]]
    child.kill()
    const p50 = quantile(latencies, 0.5)
    const p99 = quantile(latencies, 0.99)
    const figures = `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, max ${Math.max(...latencies).toFixed(1)} ms (${latencies.length} deliveries)`
    const name = 'g. write to classic watcher, 100 watchers × 50 writes/s'
    return [{ name, figures, aim: 'p50 ≤ 3 ms, p99 ≤ 10 ms', met: p50 <= 3 && p99 <= 10 }]
  } finally {
    await http.stop()
    await directory.remove()
  }
}
