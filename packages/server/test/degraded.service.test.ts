import { createClient } from 'redis'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type RedisServer, startRedis } from './services/redis.ts'
import { startTestApp, type TestApp } from './support/test-app.ts'

/** A Redis that answers, and does not do all that it is asked. */
const USER = 'livekv'

let redis: RedisServer
let admin: ReturnType<typeof newAdmin>
let app: TestApp
beforeEach(async () => {
  redis = await startRedis({ user: USER, password: 'word' })
  admin = newAdmin()
  await admin.connect()
})
afterEach(async () => {
  admin.destroy()
  await app?.close()
  await redis.stop()
})

function newAdmin() {
  return createClient({ url: redis.url }).on('error', () => {})
}
const grant = (...rights: string[]) => admin.sendCommand(['ACL', 'SETUSER', USER, ...rights])
const degraded = async (): Promise<string[]> => {
  const { status, json } = await app.call('GET', '/readyz')
  expect(status).toBe(200)
  return (json.degraded ?? []).map(({ part }: { part: string }) => part)
}
const metric = async (part: string) =>
  new RegExp(`^livekv_degraded\\{part="${part}"\\} (\\d)`, 'm').exec(
    (await app.call('GET', '/metrics')).text,
  )?.[1]

test('while Redis takes nothing into the cache, or gives nothing, the cache is named', async () => {
  app = await startTestApp({ REDIS_URL: redis.url })
  let writes = 0
  const write = () => app.call('POST', '/add', { key: `k${++writes}`, value: 1 })
  const afterWriting = async () => {
    await write()
    return degraded()
  }
  await expect.poll(afterWriting).toEqual([])
  await grant('-evalsha', '-eval')
  await expect.poll(afterWriting).toEqual(['cache'])
  expect(await metric('cache')).toBe('1')
  // Reads that Redis answers say nothing of the writes.
  await app.call('GET', '/get/nobody-wrote-it')
  expect(await degraded()).toEqual(['cache'])
  await grant('+evalsha', '+eval')
  await expect.poll(afterWriting).toEqual([])
  expect(await metric('cache')).toBe('0')

  await admin.sendCommand(['REPLICAOF', '127.0.0.1', '1'])
  await expect.poll(afterWriting).toEqual(['cache'])
  await admin.sendCommand(['REPLICAOF', 'NO', 'ONE'])
  await expect.poll(afterWriting).toEqual([])

  const afterReading = async () => {
    await app.call('GET', `/get/other${++writes}`)
    return degraded()
  }
  await grant('-mget')
  await expect.poll(afterReading).toEqual(['cache'])
  await grant('+mget')
  await expect.poll(afterReading).toEqual([])
})

test('while the connection on which other instances are heard is down or deaf, their sockets are named', async () => {
  await grant('-psubscribe', '-subscribe')
  app = await startTestApp({ REDIS_URL: redis.url })
  expect(await degraded()).toEqual(['sockets'])
  expect((await app.call('GET', '/api/v1/presence')).json.complete).toBe(false)
  expect(await metric('sockets')).toBe('1')
  await grant('+psubscribe', '+subscribe')
  const endEvents = async () => {
    const list = String(await admin.sendCommand(['CLIENT', 'LIST']))
    const id = /^id=(\d+) .* name=livekv-events /m.exec(list)?.[1]
    if (id !== undefined) await admin.sendCommand(['CLIENT', 'KILL', 'ID', id])
  }
  await endEvents()
  await expect.poll(degraded).toEqual([])
  expect(await metric('sockets')).toBe('0')
  // Connections that are logged in stay.
  await grant('off')
  await endEvents()
  await expect.poll(degraded).toEqual(['sockets'])
  await grant('on')
  await expect.poll(degraded).toEqual([])
})
