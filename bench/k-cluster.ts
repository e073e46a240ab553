import { fork } from 'node:child_process'
import { once } from 'node:events'
import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Cluster, startCluster } from '../packages/server/test/services/cluster.ts'
import type { ServerInstance } from '../packages/server/test/services/server-instance.ts'
import { alternate, type Line, median, quantile, thousands } from './figures.ts'
import { load, post } from './processes.ts'

const WATCHERS = 20
const WRITES_PER_SECOND = 50
const SECONDS = 15

/** Three instances behind Nginx against one: writes and reads; then how soon another instance's watchers see a write. */
export async function cluster(): Promise<Line[]> {
  const three = await startCluster({ instances: 3 })
  try {
    const one = await startCluster({ instances: 1 })
    try {
      return [...(await rates(three, one)), ...(await latencies(three))]
    } finally {
      await one.stop()
    }
  } finally {
    await three.stop()
  }
}

async function rates(three: Cluster, one: Cluster): Promise<Line[]> {
  const lines: Line[] = []
  for (const kind of ['add', 'get'] as const) {
    const run = (url: string) => async () => {
      const plan = { url, kind, keys: 1_000, connections: 64, seconds: 4, fromManyAddresses: true }
      const { requestsPerSecond, errors } = await load(plan)
      if (errors > 0) throw new Error(`${errors} requests failed at ${url}`)
      return requestsPerSecond
    }
    const measured = await alternate({ three: run(three.url), one: run(one.url) }, 3)
    const [ours, single] = [median(measured.three), median(measured.one)]
    lines.push({
      name: `k. ${kind === 'add' ? 'POST /add' : 'GET /get'} through Nginx, three instances against one`,
      figures: `${thousands(ours)}/s against ${thousands(single)}/s`,
      ratio: ours / single,
      aim: 'told',
      met: undefined,
    })
  }
  return lines
}

async function latencies(three: Cluster): Promise<Line[]> {
  const [writing, watching] = three.instances as readonly [ServerInstance, ServerInstance]
  const line = (name: string, values: readonly number[], aim: string, met: boolean): Line => ({
    name: `k. write to a watcher on another instance, ${name}`,
    figures: `p50 ${quantile(values, 0.5).toFixed(2)} ms, p99 ${quantile(values, 0.99).toFixed(2)} ms, max ${Math.max(...values).toFixed(1)} ms (${values.length} deliveries)`,
    aim,
    met,
  })
  const usual = await writeAndWatch(writing.url, watching.url)
  await three.kafka.kill()
  const alone = await writeAndWatch(writing.url, watching.url)
  return [
    line(
      `${WRITES_PER_SECOND} writes/s`,
      usual,
      'p50 ≤ 6 ms, p99 ≤ 30 ms',
      quantile(usual, 0.5) <= 6 && quantile(usual, 0.99) <= 30,
    ),
    line('Kafka stopped', alone, 'max ≤ 1.5 s', alone.length > 0 && Math.max(...alone) <= 1_500),
  ]
}

/** Milliseconds from sending each write at one instance to its `valueUpdate` at the other. */
async function writeAndWatch(writing: string, watching: string): Promise<number[]> {
  const child = fork(new URL('watch.ts', import.meta.url), [watching, String(WATCHERS)], {
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
  await sleep(2_000)
  child.send('report')
  const [measured] = (await once(child, 'message')) as [number[]]
  child.kill()
  return measured
}
