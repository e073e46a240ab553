import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApp, type TestApp } from './support/test-app.ts'

const LIMITS = { RATE_LIMIT_WRITES: '20', RATE_LIMIT_READS: '20', RATE_LIMIT_WINDOW: '1h' }

/** Each test is a client of its own, by the address that it gives. */
let app: TestApp
beforeAll(async () => {
  app = await startTestApp({ ...LIMITS, TRUST_PROXY: '127.0.0.1' })
})
afterAll(() => app.close())

let clients = 0
function newClient() {
  const address = `8.8.8.${++clients}`
  return {
    address,
    call: (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
      app.call(method, path, body, { 'x-forwarded-for': address, ...headers }),
  }
}

const batch = (items: number) => ({
  writes: Array.from({ length: items }, (_, n) => ({ key: `k${n}`, value: n })),
})
const head = async () => (await app.call('GET', '/api/v1/status')).json.revision as number

test.each([
  ['POST', '/add', { key: 'a', value: 1 }],
  ['PUT', '/api/v1/entries/a', { value: 1 }],
  ['PUT', '/api/v1/entries?key=a', { value: 1 }],
  ['PATCH', '/api/v1/entries/n', { op: 'increment' }],
  ['PATCH', '/api/v1/entries?key=n', { op: 'increment' }],
  ['DELETE', '/api/v1/entries/a', undefined],
  ['DELETE', '/api/v1/entries?key=a', undefined],
  ['POST', '/api/v1/batch', batch(1)],
])('%s %s is one write', async (method, path, body) => {
  const { call } = newClient()
  await call('POST', '/api/v1/batch', batch(19))
  expect((await call(method, path, body)).status).toBe(200)
  const before = await head()
  expect((await call(method, path, body)).json).toMatchObject({
    code: 'RATE_LIMITED',
    limit: 20,
    remaining: 0,
  })
  expect(await head()).toBe(before)
  expect((await call('GET', '/keys')).status).toBe(200)
})

test.each([
  ['GET', '/get/a', undefined],
  ['GET', '/get?key=a', undefined],
  ['HEAD', '/get/a', undefined],
  ['GET', '/keys', undefined],
  ['GET', '/api/v1/entries/a', undefined],
  ['GET', '/api/v1/entries?key=a', undefined],
  ['GET', '/api/v1/entries', undefined],
  ['POST', '/api/v1/entries/get', { keys: ['a', 'b'] }],
  ['GET', '/api/v1/history?key=a', undefined],
  ['GET', '/api/v1/candles?key=a', undefined],
  ['GET', '/api/v1/changes', undefined],
  ['GET', '/api/v1/presence', undefined],
])('%s %s is one read', async (method, path, body) => {
  const { call } = newClient()
  for (let n = 0; n < 19; n++) await call('GET', '/keys')
  expect([200, 404]).toContain((await call(method, path, body)).status)
  expect((await call(method, path, body)).status).toBe(429)
  expect((await call('POST', '/add', { key: 'a', value: 1 })).status).toBe(200)
})

test('health, status and pages are never refused', async () => {
  const { call } = newClient()
  for (let n = 0; n < 20; n++) await call('GET', '/keys')
  expect((await call('GET', '/keys')).status).toBe(429)
  for (const path of ['/healthz', '/readyz', '/api/v1/status'])
    expect((await call('GET', path)).status).toBe(200)
  for (const path of ['/admin', '/viewer/a', '/livekv.js'])
    expect((await call('GET', path)).status).not.toBe(429)
})

test('a batch counts by its items, and what is refused is not applied', async () => {
  const { call } = newClient()
  const send = async (items: number) => (await call('POST', '/api/v1/batch', batch(items))).json
  const before = await head()
  expect((await send(12)).results).toHaveLength(12)
  expect(await send(9)).toMatchObject({ code: 'RATE_LIMITED', limit: 20, remaining: 8 })
  expect(await head()).toBe(before + 12)
  expect((await send(8)).results).toHaveLength(8)
  expect(await send(21)).toMatchObject({ code: 'BATCH_TOO_LARGE' })
})

test('the refusal names limit and remedy, in headers that pages may read too', async () => {
  const { address, call } = newClient()
  const add = () => call('POST', '/add', { key: 'a', value: 1 }, { origin: app.url })
  await call('POST', '/api/v1/batch', batch(9))
  const answers = [await add(), await add()]
  await call('POST', '/api/v1/batch', batch(8))
  answers.push(await add(), await add())
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429])
  expect(answers.map(({ headers }) => headers.get('ratelimit-remaining'))).toEqual([null, '9', '0', '0'])
  const { json, headers } = answers[3]!
  expect(json).toEqual({
    error: expect.stringContaining(
      `${address} were not taken: 0 are left of 20 in 3600 s (RATE_LIMIT_WRITES)`,
    ),
    code: 'RATE_LIMITED',
    limit: 20,
    remaining: 0,
    retryAfterSeconds: Number(headers.get('retry-after')),
  })
  expect(headers.get('ratelimit-limit')).toBe('20')
  expect(headers.get('ratelimit-reset')).toBe(headers.get('retry-after'))
  expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
  for (const name of ['Retry-After', 'RateLimit-Limit', 'RateLimit-Remaining', 'RateLimit-Reset'])
    expect(headers.get('access-control-expose-headers')).toContain(name)
})

test('behind a trusted proxy the last address counts that it did not get from the client', async () => {
  const send = async (items: number, forwarded: string) =>
    (await app.call('POST', '/api/v1/batch', batch(items), { 'x-forwarded-for': forwarded })).status
  expect([await send(20, '9.9.9.9'), await send(1, '9.9.9.8')]).toEqual([200, 200])
  expect([
    await send(1, '9.9.9.9'),
    await send(1, '7.7.7.7, 9.9.9.9'),
    await send(1, '9.9.9.9, 127.0.0.1'),
  ]).toEqual([429, 429, 429])
  expect([await send(20, '2001:db8::1'), await send(1, '2001:db8::2')]).toEqual([200, 429])
  // Some proxies name the port as well, which is another one for each connection.
  expect([await send(20, '9.9.9.7:1000'), await send(1, '9.9.9.7:1001')]).toEqual([200, 429])
})

test('nobody else gets another address by X-Forwarded-For; the window ends, and all may write again', async () => {
  const open = await startTestApp({ RATE_LIMIT_WRITES: '1', RATE_LIMIT_WINDOW: '1s' })
  try {
    const add = async (forwarded: string) =>
      (await open.call('POST', '/add', { key: 'a', value: 1 }, { 'x-forwarded-for': forwarded })).status
    const refusals = async () => {
      const statuses: number[] = []
      for (let n = 0; n < 50; n++) statuses.push(await add(`1.1.1.${n}`))
      return statuses.filter((status) => status === 429).length
    }
    await expect.poll(refusals).toBeGreaterThan(0)
    await expect.poll(() => add('2.2.2.2')).toBe(200)
  } finally {
    await open.close()
  }
})

test('0 is no limit', async () => {
  const open = await startTestApp({ RATE_LIMIT_WRITES: '0', RATE_LIMIT_READS: '0' })
  try {
    const { status, headers } = await open.call('POST', '/api/v1/batch', batch(5_000))
    expect([status, headers.get('ratelimit-limit')]).toEqual([200, null])
    expect((await open.call('GET', '/keys')).status).toBe(200)
  } finally {
    await open.close()
  }
})
