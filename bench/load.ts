/**
 * Load from a process of its own: `node load.ts '{"url":…,"keys":1000,…}'` prints what it measured as JSON.
 *
 * The requests are made beforehand, so that what is measured is the server and not the making of requests.
 */
import autocannon from 'autocannon'

export interface LoadPlan {
  url: string
  kind: 'add' | 'get' | 'batch'
  /** Keys are taken at random from this many. */
  keys: number
  connections: number
  seconds: number
  /** Items of a batch. */
  items?: number
}

export interface LoadResult {
  requestsPerSecond: number
  errors: number
  p50Ms: number
  p99Ms: number
}

const PREPARED = 20_000

function requests({ kind, keys, items = 1 }: LoadPlan): autocannon.Request[] {
  const key = () => `key-${Math.floor(Math.random() * keys)}`
  const value = () => (2_000 + Math.random() * 1_000).toFixed(2)
  const headers = { 'content-type': 'application/json' }
  return Array.from({ length: Math.ceil(PREPARED / items) }, () => {
    if (kind === 'get') return { method: 'GET', path: `/get/${key()}` }
    if (kind === 'add')
      return { method: 'POST', path: '/add', headers, body: `{"key":"${key()}","value":${value()}}` }
    const writes = Array.from({ length: items }, () => `{"op":"put","key":"${key()}","value":${value()}}`)
    return { method: 'POST', path: '/api/v1/batch', headers, body: `{"writes":[${writes.join(',')}]}` }
  })
}

async function run(plan: LoadPlan): Promise<LoadResult> {
  const prepared = requests(plan)
  const result = await autocannon({
    url: plan.url,
    connections: plan.connections,
    duration: plan.seconds,
    requests: prepared,
    // Each connection begins at a place of its own.
    setupClient: (client) => {
      const start = Math.floor(Math.random() * prepared.length)
      client.setRequests([...prepared.slice(start), ...prepared.slice(0, start)])
    },
  })
  return {
    requestsPerSecond: result['2xx'] / result.duration,
    errors: result.errors + result.non2xx,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
  }
}

process.stdout.write(`${JSON.stringify(await run(JSON.parse(process.argv[2] as string)))}\n`)
process.exit(0)
