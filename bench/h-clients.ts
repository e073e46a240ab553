import { fork } from 'node:child_process'
import { once } from 'node:events'
import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Watched } from './client-watch.ts'
import { type Line, quantile } from './figures.ts'
import { post, startLiveKV, temporaryDirectory } from './processes.ts'

const SECONDS = 15
const CATCH_UP_MS = 2_000

/** From sending a write over HTTP to the callback of each client that watches the key. */
export async function clients(): Promise<Line[]> {
  const some = await watch(100, 50)
  const many = await watch(500, 200)
  return [
    {
      name: 'h. write to client callback, 100 clients × 50 writes/s',
      figures: some.figures,
      aim: 'p50 ≤ 2 ms, p99 ≤ 8 ms',
      met: some.p50 <= 2 && some.p99 <= 8,
    },
    {
      name: 'h. the same, 500 clients × 200 writes/s',
      figures: `${many.figures}; ${many.current} of 500 at the last value`,
      aim: 'p99 ≤ 100 ms, all current',
      met: many.p99 <= 100 && many.current === 500,
    },
  ]
}

async function watch(watchers: number, writesPerSecond: number) {
  const directory = await temporaryDirectory()
  const http = await startLiveKV({ DATA_DIR: directory.path })
  const child = fork(new URL('client-watch.ts', import.meta.url), [http.url, String(watchers)], {
    execPath: process.execPath,
  })
  try {
    await once(child, 'message')
    const agent = new Agent({ keepAlive: true })
    const start = performance.now()
    const under: Promise<string>[] = []
    const writes = writesPerSecond * SECONDS
    for (let n = 0; n < writes; n++) {
      await sleep(Math.max(0, start + n * (1_000 / writesPerSecond) - performance.now()))
      const value = `[${n},${performance.timeOrigin + performance.now()}]`
      under.push(post(agent, `${http.url}/add`, `{"key":"gold","value":${value}}`))
    }
    await Promise.all(under)
    const tookS = (performance.now() - start) / 1_000
    await sleep(CATCH_UP_MS)
    child.send('report')
    const [{ latencies, last }] = (await once(child, 'message')) as [Watched]
    const p50 = quantile(latencies, 0.5)
    const p99 = quantile(latencies, 0.99)
    const deliveries = `${latencies.length} of ${writes * watchers} deliveries, the rest skipped for newer ones`
    return {
      p50,
      p99,
      current: last.filter((write) => write === writes - 1).length,
      figures: `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, ${(writes / tookS).toFixed(0)} writes/s, ${deliveries}`,
    }
  } finally {
    child.kill()
    await http.stop()
    await directory.remove()
  }
}
