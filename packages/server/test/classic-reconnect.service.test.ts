/** Plain Socket.IO clients that are led to another instance, which has not heard of everything: there is no bus here. */
import { io, type Socket } from 'socket.io-client'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { TcpProxy } from './services/tcp-proxy.ts'
import { createTestDatabase } from './services/test-database.ts'
import { startTestApp, type TestApp } from './support/test-app.ts'

type Shown = { event: string; key: string; value: unknown; revision: number }

let link: TcpProxy
let one: TestApp
let two: TestApp
let sockets: Socket[]

beforeEach(async () => {
  sockets = []
  const url = await createTestDatabase()
  link = await TcpProxy.start({ port: Number(new URL(url).port) })
  one = await startTestApp({ DATABASE_URL: link.through(url) })
  two = await startTestApp({ DATABASE_URL: url })
})

afterEach(async () => {
  for (const socket of sockets) socket.disconnect()
  await Promise.all([one?.close(), two?.close()])
  await link?.close()
})

/** Adds to `shown` what it is shown, in that order; resolves when it is subscribed. */
async function visit(app: TestApp, shown: Shown[], keys: readonly string[]): Promise<Socket> {
  const socket = io(app.url, { transports: ['websocket'], forceNew: true, reconnection: false })
  sockets.push(socket)
  socket.on('valueUpdate', (told) => shown.push({ event: 'valueUpdate', ...told }))
  socket.on('update', ({ data }) => shown.push({ event: 'update', ...data }))
  let subscribed = 0
  socket.on('subscribed', () => subscribed++)
  for (const key of keys) socket.emit('subscribe', key)
  await expect.poll(() => subscribed, { interval: 5 }).toBe(keys.length)
  return socket
}

const put = async (app: TestApp, key: string, value: unknown) =>
  expect((await app.call('POST', '/add', { key, value })).status).toBe(200)

const stepsBack = (shown: readonly Shown[]) =>
  shown.filter(({ key, revision }, at) =>
    shown.slice(0, at).some((before) => before.key === key && before.revision > revision),
  )

test('a client that is led from one instance to the other and back is shown nothing older', async () => {
  const shown: Shown[] = []
  const seen = (key: string, value: number) =>
    shown.some((told) => told.event === 'valueUpdate' && told.key === key && told.value === value)
  for (let round = 0; round < 12; round++) {
    const app = round % 2 === 0 ? one : two
    const socket = await visit(app, shown, ['k'])
    // The value of the round before, before the other instance asks the log by itself.
    if (round > 0) await expect.poll(() => seen('k', round - 1), { interval: 5 }).toBe(true)
    await put(app, 'k', round)
    await expect.poll(() => seen('k', round), { interval: 5 }).toBe(true)
    socket.disconnect()
  }
  expect(stepsBack(shown)).toEqual([])
})

test('a client whose key was deleted while it was away is told so', async () => {
  const shown: Shown[] = []
  await put(two, 'k', 1)
  const socket = await visit(two, shown, ['k'])
  await expect.poll(() => shown.at(-1)).toMatchObject({ event: 'valueUpdate', key: 'k', value: 1 })
  socket.disconnect()
  await two.call('DELETE', '/api/v1/entries/k')
  // Else it comes to the new one as a change.
  expect((await one.call('GET', '/api/v1/entries/k?atLeast=2')).status).toBe(404)
  await visit(one, shown, ['k', 'never'])
  await expect
    .poll(() => shown.at(-1))
    .toEqual({ event: 'valueUpdate', key: 'k', value: null, revision: 2, timestamp: expect.any(Number) })
  // Behind everything that was to be said of `never`.
  await put(one, 'end', 1)
  await expect.poll(() => shown.at(-1)).toMatchObject({ event: 'update', key: 'end' })
  expect(shown.filter(({ key }) => key === 'never')).toEqual([])
})

test('an instance that does not reach the log shows a newcomer nothing, and everything when it does', async () => {
  await put(two, 'k', 1)
  await expect.poll(async () => (await one.call('GET', '/get/k')).json.value).toBe(1)
  const before: Shown[] = []
  await visit(two, before, ['k'])
  await link.refuse()
  await put(two, 'k', 2)
  await expect.poll(() => before.at(-1)).toMatchObject({ event: 'valueUpdate', key: 'k', value: 2 })
  const shown: Shown[] = []
  await visit(one, shown, ['k'])
  // It has that value in memory, and would have shown it by now.
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  expect(shown).toEqual([])
  await link.listen()
  await expect.poll(() => shown.at(-1), { timeout: 20_000 }).toMatchObject({ key: 'k', value: 2 })
  expect(stepsBack([...before, ...shown])).toEqual([])
})
