/** What the metrics of Redis and Kafka say of real ones, while what they count happens. */
import { randomUUID } from 'node:crypto'
import { Admin } from '@platformatic/kafka'
import { createClient } from 'redis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sharedService } from './services/shared-service.ts'
import { TcpProxy } from './services/tcp-proxy.ts'
import { createTestDatabase } from './services/test-database.ts'
import { valueIn } from './support/metric-values.ts'
import { startTestApp, type TestApp } from './support/test-app.ts'

/** So few that what was written before is soon none of them. */
const TAIL_MAX_ENTRIES = 100
const OTHERS = 500
/** More than a broker takes by default. */
const TOO_LARGE_BYTES = 1_200_000

let database: string
let brokers: string
let topic: string
let redisUrl: string
let way: TcpProxy
let first: TestApp
let second: TestApp
const closing: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  ;[database, brokers, redisUrl] = await Promise.all([
    createTestDatabase(),
    sharedService('kafka'),
    sharedService('redis'),
  ])
  topic = `test-${randomUUID()}`
  way = await TcpProxy.start({ port: Number(new URL(redisUrl).port) })
  closing.push(() => way.close())
  const settings = {
    ...{
      DATABASE_URL: database,
      REDIS_URL: way.through(redisUrl),
      KAFKA_BROKERS: brokers,
      KAFKA_TOPIC: topic,
    },
    ...{ TAIL_MAX_ENTRIES: String(TAIL_MAX_ENTRIES), MAX_VALUE_BYTES: '2000000' },
  }
  ;[first, second] = await Promise.all([start(settings), start(settings)])
})
afterAll(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function start(settings: Record<string, string>): Promise<TestApp> {
  const app = await startTestApp(settings)
  closing.push(() => app.close())
  return app
}

async function metric(app: TestApp, name: string): Promise<number | undefined> {
  return valueIn((await app.call('GET', '/metrics')).text, `livekv_${name}`)
}

async function write(app: TestApp, key: string, value: unknown): Promise<void> {
  expect((await app.call('POST', '/add', { key, value })).status).toBe(200)
}

async function writeMany(app: TestApp, count: number): Promise<void> {
  const writes = Array.from({ length: count }, (_, n) => ({ op: 'put', key: `k${n}`, value: n }))
  expect((await app.call('POST', '/api/v1/batch', { writes })).status).toBe(200)
}

const readValue = async (app: TestApp, key: string) => (await app.call('GET', `/get/${key}`)).json.value

/** Done again until it is seen: on a busy machine Redis now and then does not answer in its 100 ms. */
async function moves(app: TestApp, names: readonly string[], action: () => Promise<unknown>): Promise<void> {
  const values = () => Promise.all(names.map((name) => metric(app, name)))
  const before = await values()
  const moved = async () => {
    await action()
    return (await values()).every((value, index) => value! > before[index]!)
  }
  await expect.poll(moved, { message: names.join(' and ') }).toBe(true)
}

test('the bus: sent, come, and what waits', async () => {
  for (const app of [first, second])
    await expect.poll(async () => (await app.call('GET', '/readyz')).json.status).toBe('ready')
  await write(first, 'old', 'x')
  await writeMany(first, OTHERS)
  for (const app of [first, second])
    await expect.poll(() => metric(app, 'bus_received_total')).toBeGreaterThanOrEqual(1 + OTHERS)
  expect(await metric(first, 'bus_published_total')).toBeGreaterThanOrEqual(1 + OTHERS)
  expect(await metric(second, 'bus_published_total')).toBeLessThan(1 + OTHERS)
  await expect.poll(() => metric(first, 'bus_backlog')).toBe(0)
  for (const app of [first, second]) await expect.poll(() => metric(app, 'degraded{part="bus"}')).toBe(0)
})

test('the cache: found, believed or not, missed, damaged', async () => {
  for (const name of ['rejected', 'corrupt']) expect(await metric(second, `cache_${name}_total`)).toBe(0)
  const redis = await createClient({ url: redisUrl }).connect()
  closing.push(async () => redis.destroy())
  const storeId = (await first.call('GET', '/api/v1/status')).json.storeId
  const name = `livekv:${storeId}:entry:old`
  await expect.poll(() => redis.get(name)).not.toBeNull()
  // Written before what the instances remember: the item may be older than the key is by now.
  const written = (await redis.get(name))!
  await moves(second, ['cache_rejected_total', 'reads_total{source="database"}'], async () => {
    await redis.set(name, written)
    expect(await readValue(second, 'old')).toBe('x')
  })
  // What was found in the database is put there.
  await moves(first, ['cache_hits_total', 'reads_total{source="cache"}'], async () => {
    expect(await readValue(first, 'old')).toBe('x')
  })
  await moves(first, ['cache_misses_total'], () => first.call('GET', `/get/${randomUUID()}`))
  await moves(second, ['cache_corrupt_total'], async () => {
    await redis.set(name, 'damaged')
    expect(await readValue(second, 'old')).toBe('x')
  })
})

test('a Redis that is away: calls that failed, calls that were not made, items that were not put', async () => {
  const told = async (name: string) => (await metric(first, `cache_${name}_total`)) as number
  const before = [await told('failures'), await told('lost')]
  way.blackHole()
  // They are put in several calls, one after the other: the last ones are not tried any more.
  await writeMany(first, 4_000)
  await expect.poll(() => metric(first, 'degraded{part="cache"}')).toBe(1)
  await write(first, 'k2', 2)
  expect(await told('failures')).toBeGreaterThan(before[0]!)
  expect(await told('lost')).toBeGreaterThan(before[1]!)
  await expect.poll(() => told('skipped')).toBeGreaterThan(0)
  way.heal()
  await expect.poll(() => metric(first, 'degraded{part="cache"}')).toBe(0)
})

test('what Kafka does not carry: refused, filled from the log, sent again', async () => {
  await write(first, 'large', 'x'.repeat(TOO_LARGE_BYTES))
  await expect.poll(() => metric(first, 'bus_refused_total')).toBeGreaterThan(0)
  await expect.poll(() => metric(second, 'gaps_filled_total')).toBeGreaterThan(0)
  expect(await metric(second, 'gap_changes_total')).toBeGreaterThan(0)

  const settings = { DATABASE_URL: database, RATE_LIMIT_WRITES: '1', RATE_LIMIT_WINDOW: '1h' }
  const withoutKafka = await start(settings)
  await write(withoutKafka, 'unsent', 1)
  const sum = async (name: string) => ((await metric(first, name)) ?? 0) + ((await metric(second, name)) ?? 0)
  await expect.poll(() => sum('bus_republished_total')).toBeGreaterThan(0)
  await expect.poll(() => sum('republisher')).toBe(1)
  const head = (await metric(first, 'log_head_revision')) as number
  expect(head).toBeGreaterThan(OTHERS)
  for (const app of [first, second])
    await expect.poll(() => metric(app, 'published_through_revision')).toBeGreaterThanOrEqual(head)

  expect((await withoutKafka.call('POST', '/add', { key: 'a', value: 1 })).status).toBe(429)
  expect(await metric(withoutKafka, 'rate_limited_total')).toBe(1)
})

test('a topic that is gone: connections made again', async () => {
  const restarts = (app: TestApp) => metric(app, 'bus_restarts_total')
  const before = [await restarts(first), await restarts(second)]
  const admin = new Admin({ clientId: 'test', bootstrapBrokers: [brokers] })
  await admin.deleteTopics({ topics: [topic] })
  await admin.close()
  for (const [index, app] of [first, second].entries())
    await expect.poll(() => restarts(app)).toBeGreaterThan(before[index]!)
})
