import { fork } from 'node:child_process'
import { once } from 'node:events'
import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { quantile } from './figures.ts'
import { post } from './processes.ts'

export const WRITES_PER_SECOND = 50
const SECONDS = 15
/** For what is late to arrive. */
const WAIT_MS = 2_000

/**
 * Milliseconds from sending each write over HTTP at `writing` to each classic `valueUpdate` of it that came from
 * `watching`; the watchers are in a process of their own.
 */
export async function writeToWatcher(writing: string, watching: string, watchers: number): Promise<number[]> {
  const child = fork(new URL('watch.ts', import.meta.url), [watching, String(watchers)], {
    execPath: process.execPath,
  })
  await once(child, 'message')
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const start = performance.now()
  for (let n = 0; n < WRITES_PER_SECOND * SECONDS; n++) {
    await sleep(Math.max(0, start + n * (1_000 / WRITES_PER_SECOND) - performance.now()))
    const body = `{"key":"gold","value":${performance.timeOrigin + performance.now()}}`
    await post(agent, `${writing}/add`, body)
  }
  await sleep(WAIT_MS)
  child.send('report')
  const [latencies] = (await once(child, 'message')) as [number[]]
  child.kill()
  return latencies
}

export function latencyFigures(latencies: readonly number[]): string {
  return `p50 ${quantile(latencies, 0.5).toFixed(2)} ms, p99 ${quantile(latencies, 0.99).toFixed(2)} ms, max ${Math.max(...latencies).toFixed(1)} ms (${latencies.length} deliveries)`
}
