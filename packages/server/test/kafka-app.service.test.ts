import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { freePort } from './services/free-port.ts'
import { sharedService } from './services/shared-service.ts'
import { createTestDatabase } from './services/test-database.ts'
import { startTestApp, type TestApp } from './support/test-app.ts'
import { readTopic } from './support/topic-reader.ts'

const apps: TestApp[] = []
let brokers: string
let topic: string
let databaseUrl: string

beforeEach(async () => {
  brokers = await sharedService('kafka')
  databaseUrl = await createTestDatabase()
  topic = `test-${randomUUID()}`
})
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()))
})

async function start(settings: Record<string, string> = {}): Promise<TestApp> {
  const environment = { DATABASE_URL: databaseUrl, KAFKA_BROKERS: brokers, KAFKA_TOPIC: topic, ...settings }
  const app = await startTestApp(environment)
  apps.push(app)
  return app
}

test('two instances publish to one topic, each under its own name, and each reads what the other wrote', async () => {
  const [first, second] = [await start(), await start()]
  await first.call('POST', '/add', { key: 'gold', value: 1 })
  await second.call('POST', '/add', { key: 'gold', value: 2 })
  await first.call('POST', '/add', { key: 'silver', value: 3 })
  for (const app of [first, second]) {
    await expect.poll(async () => (await app.call('GET', '/get/gold')).json?.value).toBe(2)
    await expect.poll(async () => (await app.call('GET', '/get/silver')).json?.value).toBe(3)
  }
  await expect.poll(async () => (await readTopic(brokers, topic)).length).toBe(3)
  const records = await readTopic(brokers, topic)
  const published = records.map(({ key, value, headers }) => [key, JSON.parse(value).value, headers.revision])
  expect(published.sort()).toEqual([
    ['gold', 1, '1'],
    ['gold', 2, '2'],
    ['silver', 3, '3'],
  ])
  expect(new Set(records.map(({ headers }) => headers.instance)).size).toBe(2)
  expect(new Set(records.map(({ headers }) => headers.store)).size).toBe(1)
})

test('what another instance wrote a moment ago is answered from memory, with its expiry', async () => {
  const [writer, reader] = [await start(), await start()]
  const fromTail = async () =>
    /livekv_reads_total\{source="tail"\} (\d+)/.exec((await reader.call('GET', '/metrics')).text)?.[1]
  for (const ttl of [{ ttlMs: 3_600_000 }, {}]) {
    const before = await fromTail()
    // Again if it came from the log before it came from the bus: the log does not tell the expiry.
    const writeAndRead = async () => {
      const path = '/api/v1/entries?key=lease'
      const { revision, expiresAt } = (await writer.call('PUT', path, { value: 1, ...ttl })).json
      const arrived = async () => (await reader.call('GET', '/api/v1/status')).json.contiguous
      await expect.poll(arrived).toBeGreaterThanOrEqual(revision)
      const read = (await reader.call('GET', path)).json
      expect([read.revision, read.expiresAt]).toEqual([revision, expiresAt])
      return await fromTail()
    }
    await expect.poll(writeAndRead).not.toBe(before)
  }
})

test('without Kafka an instance starts, takes writes and stops', async () => {
  const app = await start({ KAFKA_BROKERS: `127.0.0.1:${await freePort()}` })
  expect((await app.call('POST', '/add', { key: 'gold', value: 1 })).status).toBe(200)
  expect((await app.call('GET', '/get/gold')).json.value).toBe(1)
})
