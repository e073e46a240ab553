/** Reads by way of a real Redis, whatever becomes of it: the log decides, so nothing old is ever answered. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { CachedItem } from '../src/cache/cache.ts'
import { type RedisServer, startRedis } from './services/redis.ts'
import { TcpProxy } from './services/tcp-proxy.ts'
import { type Instance, type InstanceOptions, openInstance } from './support/instance.ts'
import { LogOracle } from './support/log-oracle.ts'
import { openRedisCache } from './support/redis-cache.ts'

let server: RedisServer
let way: TcpProxy
const closing: (() => Promise<void>)[] = []
beforeAll(async () => {
  server = await startRedis()
  way = await TcpProxy.start({ port: server.port })
})
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
  way.heal()
  server.resume()
  await server.start()
  await server.flush()
})
afterAll(async () => {
  await way.close()
  await server.stop()
})

/** Instances of one store share what is in Redis. */
async function cacheOf(storeId = 'reads') {
  const opened = await openRedisCache(way.through(server.url), { storeId })
  closing.push(opened.close)
  return opened.cache
}

async function instanceOver(oracle: LogOracle, options: InstanceOptions = {}): Promise<Instance> {
  const instance = await openInstance(oracle, { cache: await cacheOf(), ...options })
  closing.push(instance.close)
  return instance
}

const put = (key: string, json: string) => ({ op: 'put', key, json }) as const
/** Of other keys, so many that no Tail begins with what was written before. */
function writeOn(oracle: LogOracle): void {
  for (let at = 0; at < 3; at++) oracle.append(put('other', '0'))
}
async function read({ keyValue }: Instance, key = 'k') {
  const { entry, source } = await keyValue.get(key)
  return { json: entry?.json, source }
}
/** What lies in Redis, whether it is right or not. */
async function inRedis(key = 'k'): Promise<CachedItem | undefined> {
  return (await (await cacheOf()).get([key])).get(key)
}
const asOfInRedis = async (key = 'k') => (await inRedis(key))?.asOf
const isAway = (instance: Instance) => expect.poll(() => instance.cache.problem).not.toBeNull()
const isBack = (instance: Instance) => expect.poll(() => instance.cache.problem).toBeNull()

test('what one instance read or wrote the others find in Redis, without asking the database', async () => {
  const oracle = new LogOracle()
  for (const key of ['k', 'never written by an instance']) oracle.append(put(key, '1'))
  writeOn(oracle)
  const [one, two] = [await instanceOver(oracle), await instanceOver(oracle)]
  expect(await read(one)).toEqual({ json: '1', source: 'database' })
  await expect.poll(() => read(two)).toEqual({ json: '1', source: 'cache' })
  expect(await read(one, 'absent')).toEqual({ json: undefined, source: 'database' })
  await expect.poll(() => read(two, 'absent')).toEqual({ json: undefined, source: 'cache' })
  await one.keyValue.write([put('k', '2')])
  await expect.poll(asOfInRedis).toBe(6)
  // The log tells of the change and not when it expires; Redis does.
  await two.hub.catchUp()
  expect(await read(two)).toEqual({ json: '2', source: 'cache' })
  expect(two.asked.flat().filter((key) => key === 'k').length).toBeLessThanOrEqual(1)
})

test('emptied Redis with a late fill: the old value that comes into it is believed by nobody', async () => {
  const oracle = new LogOracle()
  oracle.append(put('k', '1'))
  writeOn(oracle)
  const slow = await instanceOver(oracle, { holdReads: true })
  const other = await instanceOver(oracle)
  const flight = read(slow)
  await expect.poll(() => slow.reads.size).toBe(1)
  slow.reads.execute(0)
  await other.keyValue.write([put('k', '2')])
  await expect.poll(asOfInRedis).toBe(5)
  await server.flush()
  slow.reads.answer(0)
  // Begun before the write, on an instance that has not heard of it: as fresh as it can know.
  expect((await flight).json).toBe('1')
  await expect.poll(asOfInRedis).toBe(4)
  expect(await read(other)).toEqual({ json: '2', source: 'cache' })
  await slow.hub.catchUp()
  const again = read(slow)
  await expect.poll(() => slow.reads.size).toBe(1)
  slow.reads.finishOne()
  expect((await again).json).toBe('2')
  await expect.poll(asOfInRedis).toBe(5)
  await server.flush()
  writeOn(oracle)
  ;(await cacheOf()).set([
    { key: 'k', entry: { ...oracle.get(['k']).entries.get('k')!, json: '1' }, revision: 1, asOf: 4 },
  ])
  await expect.poll(asOfInRedis).toBe(4)
  // Started after it all, with a Tail that begins behind the change.
  expect(await read(await instanceOver(oracle))).toEqual({ json: '2', source: 'database' })
})

test('the only instance dies between commit and cache write: the next one does not believe what is in Redis', async () => {
  const oracle = new LogOracle()
  const dying = await instanceOver(oracle)
  await dying.keyValue.write([put('k', '1'), put('gone', '1')])
  await expect.poll(asOfInRedis).toBe(1)
  oracle.append(put('k', '2'))
  oracle.append({ op: 'delete', key: 'gone' })
  const next = await instanceOver(oracle)
  expect(await read(next)).toEqual({ json: '2', source: 'database' })
  expect((await read(next, 'gone')).json).toBeUndefined()
  await server.flush()
  await dying.keyValue.write([put('late', '1')])
  await expect.poll(() => asOfInRedis('late')).toBe(5)
  oracle.append(put('late', '2'))
  writeOn(oracle)
  expect(await read(await instanceOver(oracle), 'late')).toEqual({ json: '2', source: 'database' })
})

test('a flight to Redis that began before a write gives the written value', async () => {
  const oracle = new LogOracle()
  oracle.append(put('k', '1'))
  writeOn(oracle)
  const instance = await instanceOver(oracle)
  await read(instance)
  await expect.poll(asOfInRedis).toBe(4)
  const before = await instanceOver(oracle)
  way.delay(20)
  const flight = read(before)
  await before.keyValue.write([put('k', '2')])
  expect((await flight).json).toBe('2')
  const many = before.keyValue.getMany(['k', 'absent'])
  await before.keyValue.write([put('k', '3')])
  expect((await many).get('k')?.entry?.json).toBe('3')
})

test.each(['stopped', 'killed', 'cut off'] as const)(
  'Redis %s for a while, and written around: no old value then, nor when it is back; one read of the database per key and instance',
  async (how) => {
    const keys = Array.from({ length: 20 }, (_, at) => `key ${at}`)
    const oracle = new LogOracle()
    for (const key of [...keys, 'k']) oracle.append(put(key, '1'))
    writeOn(oracle)
    const writer = await instanceOver(oracle)
    const readers = [await instanceOver(oracle), await instanceOver(oracle)]
    await read(writer)
    await expect.poll(asOfInRedis).toBe(oracle.head)

    const seen = readers.map(() => 0)
    const look = async () => {
      for (const [at, reader] of readers.entries()) {
        const { entry } = await reader.keyValue.get('k', reader.hub.contiguous)
        expect(entry!.revision).toBeGreaterThanOrEqual(Math.max(seen[at]!, reader.hub.tail.revisionOf('k')))
        seen[at] = entry!.revision
      }
    }
    if (how === 'stopped') server.pause()
    else if (how === 'killed') await server.kill()
    else way.blackHole()

    // Everybody wants everything at once, before and after it is noticed.
    for (const reader of readers) reader.asked.length = 0
    const wanted = readers.flatMap((reader) =>
      Array.from({ length: 30 }, () => Promise.all(keys.map((key) => read(reader, key)))),
    )
    expect((await Promise.all(wanted)).flat().every(({ json }) => json === '1')).toBe(true)
    for (const reader of readers) await isAway(reader)
    await isAway(writer)
    for (const reader of readers) {
      for (const key of keys) expect(await read(reader, key)).toEqual({ json: '1', source: 'cache' })
      expect(reader.asked.flat().toSorted()).toEqual(keys.toSorted())
    }

    await writer.keyValue.write([put('k', '2')])
    await look()
    for (const reader of readers) await reader.hub.catchUp()
    await look()
    expect(seen).toEqual([oracle.head, oracle.head])

    if (how === 'stopped') server.resume()
    else if (how === 'killed') await server.start()
    else way.heal()
    await expect
      .poll(async () => {
        await look()
        return [writer, ...readers].map(({ cache }) => cache.problem)
      })
      .toEqual([null, null, null])
    for (let at = 0; at < 20; at++) await look()
    expect(await read(await instanceOver(oracle))).toMatchObject({ json: '2' })
    await writer.keyValue.write([put('k', '3')])
    await expect.poll(asOfInRedis).toBe(oracle.head)
  },
)

test('an answer that comes late is no answer, and does not come back as that of another call', async () => {
  const oracle = new LogOracle()
  for (const key of ['a', 'b']) oracle.append(put(key, `"${key}"`))
  writeOn(oracle)
  const instance = await instanceOver(oracle)
  for (const key of ['a', 'b']) await read(instance, key)
  await expect.poll(() => asOfInRedis('b')).toBe(5)
  way.delay(150)
  for (let at = 0; at < 20; at++) {
    for (const key of ['a', 'b']) expect((await read(instance, key)).json).toBe(`"${key}"`)
  }
  await isAway(instance)
  way.heal()
  await isBack(instance)
  for (const key of ['a', 'b']) expect((await read(instance, key)).json).toBe(`"${key}"`)
})
