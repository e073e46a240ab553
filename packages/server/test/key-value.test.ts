import { afterEach, expect, test } from 'vitest'
import { MemoryBus } from '../src/bus/memory.ts'
import { MemoryCache } from '../src/cache/memory.ts'
import { Expiry } from '../src/expiry.ts'
import type { Write } from '../src/store/store.ts'
import { settle } from './support/held-calls.ts'
import { type Instance, type InstanceOptions, openInstance } from './support/instance.ts'
import { LogOracle } from './support/log-oracle.ts'

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

async function instanceOver(oracle: LogOracle, options: InstanceOptions = {}): Promise<Instance> {
  const instance = await openInstance(oracle, options)
  closing.push(instance.close)
  return instance
}

function filled(...keys: string[]): LogOracle {
  const oracle = new LogOracle()
  for (const key of keys) oracle.append({ op: 'put', key, json: `"${key}"` })
  return oracle
}

const put = (key: string, json = '1'): Write => ({ op: 'put', key, json })

test('what was written here is answered in the same tick, a delete too', async () => {
  const { keyValue, asked } = await instanceOver(new LogOracle())
  await keyValue.write([put('a', '18.930')])
  expect(keyValue.get('a')).toMatchObject({
    entry: { json: '18.930', revision: 1 },
    asOf: 1,
    source: 'cache',
  })
  await keyValue.write([{ op: 'delete', key: 'a' }])
  expect(keyValue.get('a')).toEqual({ entry: null, revision: 2, asOf: 2, source: 'cache' })
  expect(asked).toEqual([])
})

test('a miss reads the store once and fills the cache, which then answers in the same tick', async () => {
  const { keyValue, asked } = await instanceOver(filled('a', 'b', 'c', 'd'))
  expect(await keyValue.get('a')).toMatchObject({ entry: { json: '"a"' }, revision: 1, source: 'database' })
  expect(keyValue.get('a')).toMatchObject({ entry: { json: '"a"' }, revision: 1, source: 'cache' })
  expect(await keyValue.get('none')).toMatchObject({ entry: null, revision: 0, source: 'database' })
  expect(keyValue.get('none')).toMatchObject({ entry: null, source: 'cache' })
  expect(asked).toEqual([['a'], ['none']])
})

test('misses of one turn share a read, those during a read form the next, and no key is read twice at once', async () => {
  const { keyValue, asked, reads } = await instanceOver(filled('a', 'b', 'c', 'd'), { holdReads: true })
  const answers = ['a', 'b', 'a'].map((key) => keyValue.get(key))
  await settle()
  answers.push(keyValue.get('c'), keyValue.get('b'), keyValue.get('d'))
  await settle()
  expect(asked).toEqual([['a', 'b']])
  reads.finishOne()
  await settle()
  expect(asked).toEqual([
    ['a', 'b'],
    ['c', 'd'],
  ])
  reads.finishOne()
  expect((await Promise.all(answers)).map((found) => found.revision)).toEqual([1, 2, 1, 3, 2, 4])
})

test('a read that fails fails those who wait for it, and the next one tries again', async () => {
  const oracle = filled('a', 'b', 'c')
  const { keyValue } = await instanceOver(oracle)
  const get = oracle.get.bind(oracle)
  oracle.get = () => {
    throw new Error('gone')
  }
  await expect(keyValue.get('a')).rejects.toThrow('gone')
  oracle.get = get
  expect(await keyValue.get('a')).toMatchObject({ revision: 1 })
})

test('getMany answers from Tail, cache and one read of the store', async () => {
  const { keyValue, asked } = await instanceOver(filled('a', 'b', 'c', 'd'))
  await keyValue.write([put('own')])
  await keyValue.get('a')
  const found = await keyValue.getMany(['own', 'a', 'b', 'c', 'none', 'b'])
  expect([...found].map(([key, { revision }]) => `${key}${revision}`).sort()).toEqual([
    'a1',
    'b2',
    'c3',
    'none0',
    'own5',
  ])
  expect(asked).toEqual([['a'], ['b', 'c', 'none']])
})

test('a write of another instance is read with atLeast before the bus has brought it', async () => {
  const oracle = filled('a')
  const { keyValue, hub } = await instanceOver(oracle)
  await keyValue.get('a')
  const news: number[] = []
  hub.listen((changes) => news.push(...changes.map(({ revision }) => revision)))
  oracle.append(put('a', '"new"'))
  expect(await keyValue.get('a')).toMatchObject({ revision: 1 })
  expect(await keyValue.get('a', 2)).toMatchObject({ revision: 2, entry: { json: '"new"' } })
  // The read is how this instance learnt of it: watchers have it too.
  expect(news).toEqual([2])
})

test('atLeast waits for a revision that is on its way, and says so when it does not come', async () => {
  const oracle = filled('a')
  const { keyValue } = await instanceOver(oracle)
  const waiting = keyValue.get('b', 2)
  setTimeout(() => oracle.append(put('b')), 20)
  expect(await waiting).toMatchObject({ revision: 2 })
  await expect(keyValue.get('a', 99)).rejects.toMatchObject({
    code: 'REVISION_NOT_REACHED',
    details: { reached: 2 },
  })
})

test('two instances on one bus see each other’s writes without a read of the store', async () => {
  const oracle = new LogOracle()
  const bus = new MemoryBus()
  const one = await instanceOver(oracle, { bus })
  const two = await instanceOver(oracle, { bus })
  await one.keyValue.write([put('a')])
  await settle()
  expect(two.keyValue.get('a')).toMatchObject({ revision: 1 })
  expect(two.asked).toEqual([])
})

test('a conflict with another instance’s write brings that write here', async () => {
  const oracle = filled('a')
  const { keyValue, hub } = await instanceOver(oracle)
  oracle.append(put('a', '"theirs"'))
  expect(await keyValue.write([{ ...put('a'), ifRevision: 1 }])).toEqual([
    { status: 'conflict', revision: 2 },
  ])
  expect(await hub.whenReached(2, 60_000)).toBe(true)
  expect((await keyValue.get('a')).entry?.json).toBe('"theirs"')
})

test('keys: those with a value, newest first, loaded in pages and kept up to date', async () => {
  const oracle = filled('a', 'b', 'c', 'd', 'e', 'a')
  oracle.append({ op: 'delete', key: 'd' })
  const { keyValue } = await instanceOver(oracle)
  expect(await keyValue.keys()).toEqual({ keys: ['a', 'e', 'c', 'b'], truncated: false })
  const before = await keyValue.keys()
  expect((await keyValue.keys()).keys).toBe(before.keys)
  await keyValue.write([put('c'), { op: 'delete', key: 'e' }, put('f')])
  expect(await keyValue.keys()).toEqual({ keys: ['f', 'c', 'a', 'b'], truncated: false })
})

test('keys: past the limit the newest, truncated, and after deletes those that were left out', async () => {
  const oracle = filled(...Array.from({ length: 12 }, (_, i) => `k${i + 10}`))
  const { keyValue } = await instanceOver(oracle, { keysLimit: 4 })
  expect(await keyValue.keys()).toEqual({ keys: ['k21', 'k20', 'k19', 'k18'], truncated: true })
  await keyValue.write([put('k10')])
  expect(await keyValue.keys()).toEqual({ keys: ['k10', 'k21', 'k20', 'k19'], truncated: true })
  await keyValue.write(['k10', 'k21', 'k20', 'k19'].map((key) => ({ op: 'delete', key })))
  expect(await keyValue.keys()).toEqual({ keys: ['k18', 'k17', 'k16', 'k15'], truncated: true })
  await keyValue.write(Array.from({ length: 6 }, (_, i) => ({ op: 'delete', key: `k${i + 13}` })))
  expect(await keyValue.keys()).toEqual({ keys: ['k12', 'k11'], truncated: false })
})

test('Expiry deletes page after page what has expired, and only at the revision that was found', async () => {
  const oracle = filled('a', 'b', 'c', 'd')
  const { keyValue } = await instanceOver(oracle)
  const expired = ['a', 'b', 'c'].map((key, i) => ({ key, revision: i + 1 }))
  await keyValue.write([put('b', '"renewed"')])
  let failures = 2
  const warnings: string[] = []
  const expiry = new Expiry({
    store: {
      expired: async (limit) => {
        if (failures-- > 0) throw new Error('gone')
        return expired.splice(0, limit)
      },
    },
    keyValue,
    log: { warn: (_, message) => warnings.push(message) },
    intervalMs: 5,
    pageSize: 2,
  })
  expiry.start()
  while (oracle.latest('c')?.json !== null) await new Promise((resolve) => setTimeout(resolve, 5))
  await expiry.close()
  expect(warnings).toHaveLength(1)
  expect((await keyValue.keys()).keys).toEqual(['b', 'd'])
  expect(keyValue.get('b')).toMatchObject({ entry: { json: '"renewed"' } })
})

test('a cached item of a revision that the log does not have yet is not believed', async () => {
  const oracle = filled('a', 'b', 'c')
  const cache = new MemoryCache({ maxBytes: 1e6 })
  const lost = { key: 'a', json: '"lost"', revision: 6, at: 6, time: 6, expiresAt: null }
  cache.set([{ key: 'a', entry: lost, revision: 6, asOf: 6 }])
  const { keyValue, hub } = await instanceOver(oracle, { cache })
  expect(await keyValue.get('a')).toMatchObject({ entry: { json: '"a"' }, source: 'database' })
  expect((await keyValue.getMany(['a', 'b'])).get('a')).toMatchObject({ entry: { json: '"a"' } })
  expect(hub.knownHead).toBe(3)
})

test('a cached item that is news for a full Tail is not taken, and the store is asked', async () => {
  const oracle = filled('a', 'b', 'c')
  const cache = new MemoryCache({ maxBytes: 1e6 })
  const { keyValue, hub } = await instanceOver(oracle, { cache, tailEntries: 2 })
  const changes = ['d', 'e', 'f', 'g', 'h', 'i'].map((key) => oracle.append(put(key), true))
  // All but the first; then as if another instance had filled the shared cache.
  hub.receive(changes.slice(1))
  const last = oracle.get(['i']).entries.get('i')!
  cache.set([{ key: 'i', entry: last, revision: 9, asOf: 9 }])
  const size = hub.tail.size
  expect(hub.tail.revisionOf('i')).toBe(0)
  const found = keyValue.get('i')
  expect(found).toBeInstanceOf(Promise)
  expect(hub.tail.size).toBe(size)
  expect(await found).toMatchObject({ revision: 9, source: 'database' })
})
