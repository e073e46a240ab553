import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Server } from 'socket.io'
import { io as connect, type Socket } from 'socket.io-client'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { Presence } from '../src/live/presence.ts'
import { ClusterAdapter } from '../src/redis/cluster-adapter.ts'
import { RedisConnection } from '../src/redis/redis-connection.ts'
import { type RedisServer, startRedis } from './services/redis.ts'

let server: RedisServer
const closing: (() => Promise<unknown>)[] = []
const log = { info() {}, warn() {} } as never
beforeAll(async () => {
  server = await startRedis()
})
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
  await server.start()
})
afterAll(() => server.stop())

async function instanceOf(storeId: string, keptMs = 1) {
  const commands = new RedisConnection({ url: server.url, name: 'test', log })
  const cluster = new ClusterAdapter({ commands, url: server.url, storeId, log })
  await Promise.all([commands.start(), cluster.start()])
  const http = createServer().listen(0, '127.0.0.1')
  await once(http, 'listening')
  const io = new Server(http, { adapter: cluster.adapter })
  const presence = new Presence({
    io,
    cluster,
    count: () => ({ sockets: io.engine.clientsCount, watches: 0 }),
    keptMs,
  })
  closing.push(
    () => commands.close(),
    () => cluster.close(),
    () => io.close(),
  )
  return {
    ...{ io, presence, cluster },
    async client(): Promise<Socket> {
      const socket = connect(`http://127.0.0.1:${(http.address() as AddressInfo).port}`, {
        forceNew: true,
        reconnection: false,
      })
      closing.push(async () => socket.disconnect())
      await new Promise<void>((resolve) => socket.on('connect', resolve))
      return socket
    },
  }
}

test('a room is disconnected on every instance of the store, and nobody else', async () => {
  const storeId = randomUUID()
  const [one, two, foreign] = [
    await instanceOf(storeId),
    await instanceOf(storeId),
    await instanceOf('another'),
  ]
  const clients = [await one.client(), await two.client(), await two.client(), await foreign.client()]
  await expect.poll(async () => (await one.presence.report()).cluster.instances).toBe(2)
  for (const io of [one.io, two.io, foreign.io]) io.local.socketsJoin('token-1')
  two.io.sockets.sockets.get(clients[2]!.id!)!.leave('token-1')
  one.presence.disconnectEverywhere('token-1')
  await expect.poll(() => clients.map(({ connected }) => connected)).toEqual([false, false, true, true])
})

test('with Redis away those of this instance are, and nothing is thrown', async () => {
  const one = await instanceOf(randomUUID())
  const client = await one.client()
  await server.kill()
  await expect.poll(() => one.cluster.problem).not.toBeNull()
  one.presence.disconnectEverywhere(client.id!)
  await expect.poll(() => client.connected).toBe(false)
})

test('an instance that answers nothing is noticed: what the others said is given, and that it is not all', async () => {
  const storeId = randomUUID()
  const [one, two, silent] = [await instanceOf(storeId), await instanceOf(storeId), await instanceOf(storeId)]
  await two.client()
  await expect.poll(async () => (await one.presence.report()).cluster.instances).toBe(3)
  silent.io.of('/').removeAllListeners('presence')
  await expect
    .poll(() => one.presence.report())
    .toEqual({
      instance: { sockets: 0, watches: 0 },
      cluster: { instances: 2, sockets: 1, watches: 0 },
      complete: false,
    })
})

test('started while Redis is away, instances find each other when it comes', async () => {
  await server.kill()
  const storeId = randomUUID()
  const [one, two] = [await instanceOf(storeId), await instanceOf(storeId)]
  expect(await one.presence.report()).toMatchObject({ cluster: { instances: 1 }, complete: false })
  await server.start()
  for (const { presence } of [one, two]) {
    await expect.poll(() => presence.report()).toMatchObject({ cluster: { instances: 2 }, complete: true })
  }
})

test('however many ask, the others are asked once in a while for each key, and anew when that is over', async () => {
  const storeId = randomUUID()
  const [one, brief] = [await instanceOf(storeId, 1e6), await instanceOf(storeId, 1)]
  const other = await instanceOf(storeId)
  const asked: (string | null)[] = []
  other.io.on('presence', (key: string | null) => asked.push(key))
  await expect.poll(async () => (await brief.presence.report('other')).complete).toBe(true)
  await expect.poll(async () => (await brief.presence.report('other')).cluster.instances).toBe(3)
  asked.length = 0
  const reports = await Promise.all(Array.from({ length: 50 }, () => one.presence.report()))
  for (let n = 0; n < 50; n++) reports.push(await one.presence.report())
  expect(reports.every(({ cluster }) => cluster.instances === 3)).toBe(true)
  expect(asked).toEqual([null])
  await Promise.all([one.presence.report('a'), one.presence.report('b'), one.presence.report('a')])
  expect(asked.toSorted()).toEqual(['a', 'b', null])
  await brief.presence.report()
  await expect.poll(() => brief.presence.report().then(() => asked.length)).toBeGreaterThan(5)
})
