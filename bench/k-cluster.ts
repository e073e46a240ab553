import { type Cluster, startCluster } from '../packages/server/test/services/cluster.ts'
import type { ServerInstance } from '../packages/server/test/services/server-instance.ts'
import { alternate, type Line, median, quantile, thousands } from './figures.ts'
import { load } from './processes.ts'
import { latencyFigures, WRITES_PER_SECOND, writeToWatcher } from './write-to-watcher.ts'

const WATCHERS = 20
/** Far more than what asks whether an instance is ready, far less than its share. */
const LEAST_REQUESTS = 1_000

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
  await checkAllServed(three)
  return lines
}

/** Otherwise it was one instance that was measured. */
async function checkAllServed({ instances }: Cluster): Promise<void> {
  for (const { url } of instances) {
    const metrics = await (await fetch(`${url}/metrics`)).text()
    const requests = Number(/^livekv_http_requests_total (\d+)/m.exec(metrics)?.[1])
    if (!(requests > LEAST_REQUESTS))
      throw new Error(`${url} served ${requests} requests: the load was not spread`)
  }
}

async function latencies(three: Cluster): Promise<Line[]> {
  const [writing, watching] = three.instances as readonly [ServerInstance, ServerInstance]
  const line = (name: string, values: readonly number[], aim: string, met: boolean): Line => ({
    name: `k. write to a watcher on another instance, ${name}`,
    figures: latencyFigures(values),
    aim,
    met,
  })
  const usual = await writeToWatcher(writing.url, watching.url, WATCHERS)
  await three.kafka.kill()
  const alone = await writeToWatcher(writing.url, watching.url, WATCHERS)
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
