import { readFileSync } from 'node:fs'
import { io, type Socket } from 'socket.io-client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { METRICS, type MetricParts } from '../src/metrics/metric-table.ts'
import { Metrics } from '../src/metrics/metrics.ts'
import { valueIn } from './support/metric-values.ts'
import { startTestApp, type TestApp } from './support/test-app.ts'

const DOCS = readFileSync(new URL('../../../docs/metrics.md', import.meta.url), 'utf8')

let app: TestApp
const sockets: Socket[] = []
beforeAll(async () => {
  app = await startTestApp()
})
afterAll(async () => {
  for (const socket of sockets) socket.disconnect()
  await app.close()
})

async function connect(auth: object): Promise<Socket> {
  const socket = io(app.url, { forceNew: true, transports: ['websocket'], auth })
  sockets.push(socket)
  await new Promise<void>((resolve) => socket.once('connect', resolve))
  return socket
}

async function scrape(): Promise<string> {
  return (await app.call('GET', '/metrics')).text
}

const namesIn = (text: string) =>
  [...text.matchAll(/^# TYPE (livekv_\w+) /gm)].map(([, name]) => name as string)

test('counts what happens', async () => {
  const before = await scrape()
  const since = (text: string, series: string) =>
    (valueIn(text, series) ?? 0) - (valueIn(before, series) ?? 0)
  const classic = await connect({})
  const live = await connect({ protocol: 1 })
  await live.emitWithAck('watch', { watch: 'w', prefix: '' })
  for (let n = 1; n <= 5; n++) await app.call('POST', '/add', { key: 'secretive', value: 'hidden-value' })
  await app.call('GET', '/get/secretive')
  await app.call('GET', '/get/never-written')
  await app.call('PUT', '/api/v1/entries/secretive', { value: 1, ifRevision: 99 })
  await live.emitWithAck('put', { key: 'secretive', value: 1, ifRevision: 99 })
  await app.call('POST', '/add', '{')

  await expect
    .poll(async () => since(await scrape(), 'livekv_deliveries_total{protocol="live"}'))
    .toBeGreaterThan(0)
  const after = await scrape()
  const delivered = since(after, 'livekv_deliveries_total{protocol="classic"}')
  expect(delivered).toBeGreaterThan(0)
  const counted = {
    livekv_log_head_revision: 5,
    livekv_contiguous_revision: 5,
    livekv_hub_lag_revisions: 0,
    livekv_commit_duration_seconds_count: 7,
    livekv_commit_writes_sum: 7,
    'livekv_reads_total{source="tail"}': 1,
    'livekv_reads_total{source="database"}': 1,
    'livekv_sockets{protocol="classic"}': 1,
    'livekv_sockets{protocol="live"}': 1,
    livekv_watches: 1,
    'livekv_errors_total{code="REVISION_CONFLICT"}': 2,
    'livekv_errors_total{code="INVALID_JSON"}': 1,
    'livekv_degraded{part="bus"}': 0,
  }
  for (const [series, count] of Object.entries(counted))
    expect([series, since(after, series)]).toEqual([series, count])
  expect(since(after, 'livekv_http_requests_total')).toBeGreaterThanOrEqual(9)
  expect(valueIn(after, 'livekv_http_connections')).toBeGreaterThanOrEqual(2)
  expect(valueIn(after, 'livekv_embedded_checkpoints_total')).toBeGreaterThan(0)
  expect(valueIn(after, 'process_cpu_seconds_total')).toBeGreaterThan(0)
  for (const inside of ['secretive', 'hidden-value', 'never-written', '127.0.0.1'])
    expect(after).not.toContain(inside)

  classic.disconnect()
  live.disconnect()
  await expect.poll(async () => valueIn(await scrape(), 'livekv_watches')).toBe(0)
  // What was delivered to sockets that have left was delivered all the same.
  expect(since(await scrape(), 'livekv_deliveries_total{protocol="classic"}')).toBe(delivered)
})

test('the answer is what Prometheus reads', async () => {
  const { status, headers, text } = await app.call('GET', '/metrics')
  expect(status).toBe(200)
  expect(headers.get('content-type')).toContain('text/plain; version=0.0.4')
  for (const line of text.split('\n'))
    expect(line).toMatch(/^$|^# (HELP|TYPE) |^[a-z0-9_]+(\{[^{}]*\})? \S+$/)
})

test('every metric is documented, and absent where its part is not there', async () => {
  const names = namesIn(await scrape())
  expect(names.length).toBeGreaterThan(20)
  const documented = [...DOCS.matchAll(/^\| `(livekv_\w+)[`{]/gm)].map(([, name]) => name)
  expect(names.filter((name) => !documented.includes(name))).toEqual([])
  expect(names).not.toContain('livekv_bus_backlog')

  const all = new Metrics()
  all.observe(everyPart)
  const [text] = [await all.text()]
  expect(new Set(namesIn(text))).toEqual(new Set(documented))
  expect(valueIn(text, 'livekv_bus_backlog')).toBe(7)
})

test('names say their kind and unit', () => {
  for (const { name, type, help } of METRICS) {
    expect([name, name.endsWith('_total')]).toEqual([name, type === 'counter'])
    expect(help).toMatch(/^[A-Z0-9].*\.$/)
  }
})

/** An instance with all parts. */
const everyPart: MetricParts = {
  hub: {
    contiguous: 1,
    knownHead: 1,
    tail: { size: 1, bytes: 1, pending: 0 },
    stats: () => ({ gapsFilled: 1, gapChanges: 1, jumps: 1 }),
  },
  keyValue: { stats: () => ({ tail: 1, cache: 1, database: 1, rejected: 1 }) },
  sockets: { stats: () => ({ sockets: 1, subscriptions: 1, slow: 1, owed: 1, delivered: 1 }) },
  live: { stats: () => ({ sockets: 1, watches: 1, slow: 1, waiting: 1, delivered: 1 }) },
  http: { stats: () => ({ connections: 1, requests: 1 }) },
  errors: { stats: () => ({ INTERNAL: 1 }) },
  commits: { stats: () => ({ failed: 1 }) },
  store: { info: { engine: { checkpoints: 1, longestCheckpointMs: 1 } } },
  cache: {
    problem: null,
    stats: () => ({ hits: 1, misses: 1, lost: 1, corrupt: 1, failures: 1, skipped: 1 }),
  },
  bus: {
    problem: null,
    stats: () => ({
      backlog: 7,
      backlogBytes: 1,
      published: 1,
      received: 1,
      republished: 1,
      dropped: 1,
      refused: 1,
      restarts: 1,
    }),
  },
  republisher: { stats: () => ({ holdsLease: 1, publishedThrough: 1 }) },
  limits: { stats: () => ({ limited: 1 }) },
}
