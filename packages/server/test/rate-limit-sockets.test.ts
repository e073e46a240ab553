import { io } from 'socket.io-client'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { LiveClient } from './support/live-client.ts'
import { startTestApp, type TestApp } from './support/test-app.ts'

const LIMITS = { RATE_LIMIT_WRITES: '10', RATE_LIMIT_READS: '3', RATE_LIMIT_WINDOW: '1h' }

/** Each test is a client of its own, by the address that it gives. */
let app: TestApp
const ends: (() => unknown)[] = []
beforeAll(async () => {
  app = await startTestApp({ ...LIMITS, TRUST_PROXY: 'loopback' })
})
afterEach(() => {
  for (const end of ends.splice(0)) end()
})
afterAll(() => app.close())

async function connect(address: string, url = app.url): Promise<LiveClient> {
  const client = await LiveClient.connect(url, { extraHeaders: { 'x-forwarded-for': address } })
  ends.push(() => client.close())
  return client
}

const limited = { code: 'RATE_LIMITED', retryAfterSeconds: expect.any(Number), error: expect.any(String) }
const writes = (count: number) => Array.from({ length: count }, (_, n) => ({ key: `k${n}`, value: n }))

test('puts, deletes and each item of a batch are writes, over all sockets and HTTP of an address together', async () => {
  const [one, other] = [await connect('8.8.8.1'), await connect('8.8.8.1')]
  const add = async () =>
    (await app.call('POST', '/add', { key: 'b', value: 0 }, { 'x-forwarded-for': '8.8.8.1' })).status
  expect(await one.ask('put', { key: 'a', value: 1 })).toMatchObject({ status: 'applied' })
  expect(await other.ask('delete', { key: 'a' })).toMatchObject({ status: 'applied' })
  expect((await one.ask<{ results: unknown[] }>('batch', { writes: writes(5) })).results).toHaveLength(5)
  expect(await other.ask('batch', { writes: writes(4) })).toMatchObject({
    ...limited,
    limit: 10,
    remaining: 3,
  })
  expect([await add(), await add(), await add(), await add()]).toEqual([200, 200, 200, 429])
  const { revision } = (await app.call('GET', '/api/v1/status')).json
  expect(await one.ask('put', { key: 'a', value: 2 })).toMatchObject(limited)
  expect(await other.ask('delete', { key: 'b' })).toMatchObject(limited)
  expect(await one.ask('batch', { writes: writes(11) })).toMatchObject({ code: 'BATCH_TOO_LARGE' })
  expect((await app.call('GET', '/api/v1/status')).json.revision).toBe(revision)
})

test('watches that begin are reads, which the end of one and signs of life are not', async () => {
  const client = await connect('8.8.8.2')
  for (const watch of ['1', '2', '3']) await client.watch({ watch, keys: ['w'] })
  expect(await client.ask('watch', { watch: '4', keys: ['w'] })).toMatchObject(limited)
  const read = await app.call('GET', '/get/w', undefined, { 'x-forwarded-for': '8.8.8.2' })
  expect(read.status).toBe(429)
  await client.unwatch('2')
  expect(await client.ask('time')).toHaveProperty('now')
  // What runs goes on.
  expect(await client.ask('put', { key: 'w', value: 1 })).toMatchObject({ status: 'applied' })
  await expect.poll(() => client.watches.get('1')!.values).toEqual({ w: 1 })
})

test('classic subscriptions are reads: one too many is answered with an error, the others go on', async () => {
  const extraHeaders = { 'x-forwarded-for': '8.8.8.3' }
  const socket = io(app.url, { transports: ['websocket'], forceNew: true, extraHeaders })
  ends.push(() => socket.disconnect())
  const answers: unknown[] = []
  const updates: unknown[] = []
  socket.on('subscribed', (answer) => answers.push(answer))
  socket.on('valueUpdate', ({ key, value }) => updates.push([key, value]))
  for (const key of ['c1', 'c2', 'c3', 'c4']) socket.emit('subscribe', key)
  await expect
    .poll(() => answers)
    .toEqual([
      { status: 'success', key: 'c1' },
      { status: 'success', key: 'c2' },
      { status: 'success', key: 'c3' },
      { status: 'error', ...limited },
    ])
  await app.call('POST', '/add', { key: 'c4', value: 0 })
  await app.call('POST', '/add', { key: 'c2', value: 7 })
  await expect.poll(() => updates).toEqual([['c2', 7]])
})

test('a socket that does not come from a trusted proxy is counted by its own address', async () => {
  const open = await startTestApp(LIMITS)
  try {
    const [one, other] = [await connect('8.8.8.4', open.url), await connect('8.8.8.5', open.url)]
    expect(await one.ask('batch', { writes: writes(10) })).toHaveProperty('results')
    expect(await other.ask('put', { key: 'a', value: 1 })).toMatchObject(limited)
  } finally {
    await open.close()
  }
})
