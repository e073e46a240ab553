/** Three instances on one PostgreSQL and one Redis: who is connected, and that no change comes by that way. */
import { createClient } from 'redis'
import { io } from 'socket.io-client'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type RedisServer, startRedis } from './services/redis.ts'
import { createTestDatabase } from './services/test-database.ts'
import { LiveClient } from './support/live-client.ts'
import { startTestApp, type TestApp } from './support/test-app.ts'

let server: RedisServer
const apps: TestApp[] = []
const closing: (() => void)[] = []

beforeAll(async () => {
  server = await startRedis()
  const environment = { DATABASE_URL: await createTestDatabase(), REDIS_URL: server.url }
  for (let at = 0; at < 3; at++) apps.push(await startTestApp(environment))
})
afterEach(async () => {
  for (const close of closing.splice(0)) close()
  server.resume()
  await server.start()
})
afterAll(async () => {
  for (const app of apps) await app.close()
  await server.stop()
})

/** Everything a client of the live protocol is shown of the prefix, as `key revision`. */
async function watchLive(app: TestApp, prefix: string): Promise<string[]> {
  const client = await LiveClient.connect(app.url)
  closing.push(() => client.close())
  const shown: string[] = []
  client.socket.on('snapshot', ({ entries }) => shown.push(...entries.map((e) => `${e.key} ${e.revision}`)))
  client.socket.on('changes', ({ changes }) => shown.push(...changes.map((c) => `${c.key} ${c.revision}`)))
  await client.watch({ watch: 'all', prefix })
  return shown
}

/** The classic events, as `event key value`. */
async function watchClassic(app: TestApp, keys: readonly string[] = []): Promise<string[]> {
  const socket = io(app.url, { transports: ['websocket'], forceNew: true })
  closing.push(() => socket.disconnect())
  const shown: string[] = []
  socket.on('update', ({ data }) => shown.push(`update ${data.key} ${data.value}`))
  socket.on('valueUpdate', ({ key, value }) => shown.push(`valueUpdate ${key} ${value}`))
  await new Promise<void>((resolve) => socket.on('connect', resolve))
  for (const key of keys) socket.emit('subscribe', key)
  if (keys.length > 0) {
    await new Promise<void>((resolve) => {
      let answers = 0
      socket.on('subscribed', () => ++answers === keys.length && resolve())
    })
  }
  return shown
}

const report = async (app: TestApp, key = '') => {
  const { status, json } = await app.call('GET', `/api/v1/presence${key && `?key=${key}`}`)
  expect(status).toBe(200)
  return json
}
/** By each instance's account. */
const reports = (key?: string) => Promise.all(apps.map((app) => report(app, key)))
const everywhere = (expected: object) => [expected, expected, expected]

async function publishCalls(): Promise<number> {
  const client = await createClient({ url: server.url }).connect()
  const stats = await client.info('commandstats')
  client.destroy()
  return Number(/cmdstat_publish:calls=(\d+)/.exec(stats)?.[1] ?? 0)
}

test('a watcher on any instance gets each change once, from whichever instance, by either protocol', async () => {
  const keys = Array.from({ length: 12 }, (_, at) => `once.${at}`)
  const live = await Promise.all(apps.map((app) => watchLive(app, 'once.')))
  const classic = await Promise.all(apps.map((app) => watchClassic(app, keys)))
  const published = await publishCalls()
  const changes: string[] = []
  const events: string[] = []
  for (const round of [1, 2]) {
    for (const [at, key] of keys.entries()) {
      const { json } = await apps[(at + round) % 3]!.call('POST', '/add', { key, value: round })
      changes.push(`${key} ${json.revision}`)
      events.push(`update ${key} ${round}`, `valueUpdate ${key} ${round}`)
    }
    for (const shown of live) await expect.poll(() => shown.length).toBe(changes.length)
    for (const shown of classic) await expect.poll(() => shown.length).toBe(events.length)
  }
  // What comes twice comes after the first.
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  for (const shown of live) expect(shown.toSorted()).toEqual(changes.toSorted())
  for (const shown of classic) expect(shown.toSorted()).toEqual(events.toSorted())
  expect(await publishCalls()).toBe(published)
})

test('each instance counts the sockets and watches of all', async () => {
  await expect
    .poll(() => reports())
    .toEqual(
      everywhere({
        instance: { sockets: 0, watches: 0 },
        cluster: { instances: 3, sockets: 0, watches: 0 },
        complete: true,
      }),
    )
  for (const app of apps) {
    await watchLive(app, 'gold.')
    await watchLive(app, 'silver.')
  }
  await watchClassic(apps[0]!, ['gold.buy', 'gold.sell'])
  await watchClassic(apps[2]!)
  expect((await reports()).map(({ instance }) => instance)).toEqual([
    { sockets: 3, watches: 4 },
    { sockets: 2, watches: 2 },
    { sockets: 3, watches: 2 },
  ])
  // What others said may be a second old.
  await expect
    .poll(async () => (await reports()).map(({ cluster, complete }) => ({ ...cluster, complete })))
    .toEqual(everywhere({ instances: 3, sockets: 8, watches: 8, complete: true }))
  const ofKey = await reports('gold.buy')
  expect(ofKey.map(({ key, instance }) => [key, instance.watches])).toEqual([
    ['gold.buy', 2],
    ['gold.buy', 1],
    ['gold.buy', 1],
  ])
  expect(ofKey.map(({ cluster }) => cluster.watches)).toEqual([4, 4, 4])
  expect((await reports('copper')).map(({ cluster }) => cluster.watches)).toEqual([0, 0, 0])
  const presence = async () => (await apps[1]!.call('GET', '/api/v1/status')).json.presence
  await expect.poll(presence).toEqual((await reports())[1])
  expect((await apps[0]!.call('GET', '/api/v1/presence?key=')).json.code).toBe('INVALID_KEY')
})

test.each(['killed', 'stopped'] as const)(
  'Redis %s: each instance counts its own and says that it is not all; changes go on; then all count again',
  async (how) => {
    const shown = await watchLive(apps[0]!, `while.${how}`)
    await watchLive(apps[1]!, 'x')
    await expect.poll(async () => (await report(apps[0]!)).cluster.sockets).toBe(2)
    if (how === 'killed') await server.kill()
    else server.pause()
    await expect.poll(async () => (await report(apps[0]!)).complete).toBe(false)
    await expect
      .poll(() => report(apps[0]!))
      .toEqual({
        instance: { sockets: 1, watches: 1 },
        cluster: { instances: 1, sockets: 1, watches: 1 },
        complete: false,
      })
    for (const [at, app] of apps.entries()) {
      await app.call('POST', '/add', { key: `while.${how}.${at}`, value: 1 })
    }
    await expect.poll(() => shown.length).toBe(3)
    if (how === 'killed') await server.start()
    else server.resume()
    await expect
      .poll(async () => (await reports()).map(({ cluster, complete }) => ({ ...cluster, complete })))
      .toEqual(everywhere({ instances: 3, sockets: 2, watches: 2, complete: true }))
  },
)

test('messages that no instance would send do no harm', async () => {
  const client = await createClient({ url: server.url }).connect()
  const channels = await client.pubSubChannels('livekv:*')
  expect(channels.length).toBeGreaterThan(3)
  const foreign = [
    '',
    '{',
    '{"type":5}',
    '{"type":7,"requestId":"x"}',
    '\xff\xc1',
    '{"type":6,"uid":"x","data":["presence"]}',
  ]
  for (const channel of channels) for (const message of foreign) await client.publish(channel, message)
  const values = channels[0]!.replace(/sockets-.*/, 'sockets#/#')
  for (const message of foreign) await client.publish(values, message)
  client.destroy()
  await expect.poll(async () => (await report(apps[1]!)).cluster.instances).toBe(3)
})

test('without Redis an instance is all there is', async () => {
  const alone = await startTestApp({ DATABASE_URL: await createTestDatabase() })
  try {
    await watchClassic(alone, ['a'])
    expect(await report(alone)).toEqual({
      instance: { sockets: 1, watches: 1 },
      cluster: { instances: 1, sockets: 1, watches: 1 },
      complete: true,
    })
  } finally {
    await alone.close()
  }
})
