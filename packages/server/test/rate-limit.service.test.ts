import { afterAll, beforeAll, expect, test } from 'vitest'
import { type RedisServer, startRedis } from './services/redis.ts'
import { createTestDatabase } from './services/test-database.ts'
import { startTestApp, type TestApp } from './support/test-app.ts'

const LIMIT = 200
const LIMITS = {
  RATE_LIMIT_READS: String(LIMIT),
  RATE_LIMIT_WRITES: String(LIMIT),
  RATE_LIMIT_WINDOW: '1h',
  TRUST_PROXY: 'loopback',
}

let redis: RedisServer
let first: TestApp
let second: TestApp
beforeAll(async () => {
  redis = await startRedis()
  const environment = { ...LIMITS, DATABASE_URL: await createTestDatabase(), REDIS_URL: redis.url }
  first = await startTestApp(environment)
  second = await startTestApp(environment)
})
afterAll(async () => {
  await first.close()
  await second.close()
  await redis.stop()
})

const statusOf = async (app: TestApp, address: string) =>
  (await app.call('GET', '/get/a', undefined, { 'x-forwarded-for': address })).status

/** Reads until it is refused; resolves with how many were let through. */
async function readAll(app: TestApp, address: string): Promise<number> {
  for (let read = 0; ; read++) {
    if ((await statusOf(app, address)) === 429) return read
    if (read > 2 * LIMIT) throw new Error(`${address} was let through ${read} times`)
  }
}

test('two instances share one limit', async () => {
  for (let n = 0; n < LIMIT / 2; n++) expect(await statusOf(first, '8.8.8.1')).toBe(404)
  const rest = await readAll(second, '8.8.8.1')
  // What is under way to Redis is not known yet; everything else is.
  expect(rest).toBeGreaterThanOrEqual(LIMIT / 2)
  expect(rest).toBeLessThan(LIMIT * 0.75)
  await expect.poll(() => statusOf(first, '8.8.8.1')).toBe(429)
  expect(await statusOf(first, '8.8.8.2')).toBe(404)
})

test('a Redis that is emptied gives nothing back where it was spent', async () => {
  for (let n = 0; n < LIMIT / 2; n++) await statusOf(first, '8.8.8.3')
  await redis.flush()
  expect(await readAll(first, '8.8.8.3')).toBe(LIMIT / 2)
})

/** Each instance by itself: its own limit exactly, and nobody waits for Redis. */
async function expectAlone(address: string): Promise<void> {
  expect(await readAll(first, address)).toBe(LIMIT)
  expect(await readAll(second, address)).toBe(LIMIT)
}

/** One instance hears of what another one has let through. */
async function expectShared(address: string): Promise<void> {
  let client = 0
  const rest = async () => {
    const each = `${address}.${++client}`
    for (let n = 0; n < LIMIT / 2; n++) await statusOf(first, each)
    return readAll(second, each)
  }
  await expect.poll(rest).toBeLessThan(LIMIT * 0.75)
}

test('Redis killed: each instance counts for itself, and together again when it is back', async () => {
  await redis.kill()
  await expectAlone('8.8.8.4')
  await redis.start()
  await expectShared('9.1.1')
})

test('Redis stopped by SIGSTOP: the same', async () => {
  redis.pause()
  try {
    await expectAlone('8.8.8.5')
  } finally {
    redis.resume()
  }
  await expectShared('9.1.2')
})
