import { LiveKVError } from '@livekv/protocol'
import { expect, test } from 'vitest'
import { MemoryBus } from '../src/bus/memory.ts'
import { MemoryCache } from '../src/cache/memory.ts'
import { Hub, type HubOptions } from '../src/live/hub.ts'
import { Tail } from '../src/live/tail.ts'
import type { Change } from '../src/store/store.ts'
import { settle } from './support/held-calls.ts'
import { LogOracle } from './support/log-oracle.ts'

const change = (key: string, revision: number, json: string | null = `${revision}`): Change => ({
  key,
  revision,
  at: revision,
  time: revision,
  json,
})

/** A Hub over a log that answers at once. */
async function hubOver(oracle: LogOracle, options: Partial<HubOptions> = {}) {
  const warnings: string[] = []
  const hub = new Hub({
    store: {
      changesSince: async (revision, limit) => oracle.changesSince(revision, limit),
      latestChanges: async (limit) => oracle.latestChanges(limit),
      head: async () => oracle.head,
      get: async (keys) => oracle.get(keys),
      list: async (page) => oracle.list(page),
    },
    tail: new Tail({ maxEntries: 100, maxBytes: 1e6 }),
    watched: { keys: () => [], prefixes: () => [''], known: () => [] },
    log: { warn: (_, message) => warnings.push(message) },
    ...options,
  })
  await hub.start()
  const seen: string[] = []
  hub.listen((changes) => seen.push(...changes.map(({ key, revision }) => `${key}${revision}`)))
  return { hub, seen, warnings }
}

const until = async (condition: () => boolean) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}

test('Tail: values go first and revisions later, the longest unchanged first', () => {
  const tail = new Tail({ maxEntries: 3, maxBytes: 250 })
  for (const [key, revision] of [
    ['a', 1],
    ['b', 2],
    ['a', 3],
    ['c', 4],
  ] as const)
    tail.enter(change(key, revision))
  expect([tail.get('b'), tail.get('a')?.revision, tail.get('c')?.revision]).toEqual([undefined, 3, 4])
  expect([tail.revisionOf('b'), tail.floor, tail.size]).toEqual([2, 0, 3])
  tail.enter(change('d', 5))
  expect([tail.revisionOf('b'), tail.floor, tail.contiguous]).toEqual([0, 2, 5])
  expect(tail.bytes).toBeLessThanOrEqual(250)
  expect([tail.believes('b', 1), tail.believes('b', 2), tail.believes('a', 2)]).toEqual([false, true, false])
})

test('Tail: warmed from the end of the log it knows what lies above its floor', () => {
  const tail = new Tail({ maxEntries: 10, maxBytes: 1e6 })
  tail.warm(9, [change('b', 9), change('a', 8), change('b', 7)])
  expect([tail.floor, tail.contiguous, tail.get('b')?.revision, tail.get('c')]).toEqual([6, 9, 9, undefined])
  const empty = new Tail({ maxEntries: 10, maxBytes: 1e6 })
  empty.warm(4, [])
  expect([empty.floor, empty.contiguous]).toEqual([4, 4])
})

test('Tail: a jump keeps what was seen above it', () => {
  const tail = new Tail({ maxEntries: 10, maxBytes: 1e6 })
  for (const revision of [3, 6, 8]) tail.enter(change(`k${revision}`, revision))
  expect([tail.contiguous, tail.pending]).toEqual([0, 3])
  tail.jump(5)
  expect([tail.contiguous, tail.floor, tail.pending]).toEqual([6, 5, 1])
})

test('Tail: keys above a gap stay, however many', () => {
  const tail = new Tail({ maxEntries: 2, maxBytes: 1e6 })
  for (const revision of [2, 3, 4, 5]) tail.enter(change(`k${revision}`, revision))
  expect([tail.size, tail.floor]).toEqual([4, 0])
  tail.enter(change('k1', 1))
  expect([tail.size, tail.floor, tail.contiguous]).toEqual([2, 4, 5])
})

test.each(['in order', 'newest first'])(
  'Hub: a full Tail takes no more from the bus, which comes %s, and gets it from the log',
  async (order) => {
    const oracle = new LogOracle()
    for (let n = 0; n < 5_000; n++) oracle.append({ op: 'put', key: `k${n}`, json: '1' })
    // Written all the time, and so in the Tail before it is full.
    for (let n = 0; n < 5_000; n++) oracle.append({ op: 'put', key: n % 2 ? 'hot' : `l${n}`, json: '1' })
    const [, ...others] = oracle.log
    let isAway = true
    const store = {
      changesSince: async (from: number, limit: number) => {
        if (isAway) throw new LiveKVError('STORE_FAILED', 'Gone.')
        return oracle.changesSince(from, Math.min(limit, 300))
      },
      latestChanges: async () => ({ head: 0, changes: [] }),
      head: async () => oracle.head,
      get: async (keys: readonly string[]) => oracle.get(keys),
      list: async (page: { limit: number }) => oracle.list(page),
    }
    const tail = new Tail({ maxEntries: 100, maxBytes: 1e6, maxPending: 100 })
    const { hub } = await hubOver(new LogOracle(), { gapMs: 1e6, pollMs: 1e6, store, tail })
    const shown = new Map<string, number>()
    const problems: string[] = []
    let most = 0
    hub.listen((changes) => {
      most = Math.max(most, tail.size, tail.pending)
      for (const { key, revision } of changes) {
        if (revision <= (shown.get(key) ?? 0)) problems.push(`${key}: ${revision} after ${shown.get(key)}`)
        shown.set(key, revision)
      }
    })
    hub.receive([oracle.log[5_001] as Change])
    hub.receive(order === 'in order' ? others : others.reverse())
    await hub.catchUp()
    expect([hub.contiguous, hub.knownHead, shown.get('hot')]).toEqual([0, 10_000, 10_000])
    expect(most).toBeLessThanOrEqual(101)
    expect([tail.believes('k4999', 0), tail.get('k4999')]).toEqual([true, undefined])

    isAway = false
    await hub.catchUp()
    expect(hub.contiguous).toBe(10_000)
    expect(problems).toEqual([])
    expect(most).toBeLessThanOrEqual(101)
    expect(shown.size).toBe(7_501)
    for (const [key, revision] of shown) expect(oracle.latest(key)?.revision).toBe(revision)
    await hub.close()
  },
)

test('Hub: own commits and reads find room in a full Tail', async () => {
  const tail = new Tail({ maxEntries: 2, maxBytes: 1e6 })
  const { hub, seen } = await hubOver(new LogOracle(), { gapMs: 1e6, pollMs: 1e6, tail })
  hub.receive(['a', 'b', 'c', 'd'].map((key, n) => change(key, n + 2)))
  hub.accept([change('own', 6)])
  hub.receive([change('e', 7), change('a', 8)])
  expect([seen, tail.get('own')?.revision]).toEqual([['a2', 'b3', 'c4', 'own6', 'a8'], 6])
  // The missing one: all up to d, which has to come again, is settled.
  hub.receive([change('k', 1)])
  expect([hub.contiguous, tail.size]).toEqual([4, 2])
  hub.receive([change('d', 5), change('e', 7)])
  expect([hub.contiguous, seen.slice(5)]).toEqual([8, ['k1', 'd5', 'e7']])
  await hub.close()
})

test('Hub: a gap that lasts is filled from the log without the bus', async () => {
  const oracle = new LogOracle()
  const { hub, seen } = await hubOver(oracle, { gapMs: 10, pollMs: 1e6 })
  for (const key of ['a', 'b', 'a']) oracle.append({ op: 'put', key, json: '1' })
  hub.accept([oracle.log[2] as Change])
  expect([hub.contiguous, seen]).toEqual([0, ['a3']])
  await until(() => hub.contiguous === 3)
  expect(seen).toEqual(['a3', 'b2'])
  await hub.close()
})

test('Hub: with a silent bus the polled head brings everything', async () => {
  const oracle = new LogOracle()
  const { hub, seen } = await hubOver(oracle, { gapMs: 5, pollMs: 10 })
  oracle.append({ op: 'put', key: 'a', json: '1' })
  await until(() => hub.contiguous === 1)
  expect(seen).toEqual(['a1'])
  await hub.close()
})

test('Hub: while the bus has a problem the head is asked for more often', async () => {
  const oracle = new LogOracle()
  const { hub, seen } = await hubOver(oracle, { gapMs: 5, pollMs: 1e6, bus: { problem: 'away' } })
  oracle.append({ op: 'put', key: 'a', json: '1' })
  await until(() => hub.contiguous === 1)
  expect(seen).toEqual(['a1'])
  await hub.close()
})

test('Hub: a log that cannot be read is reported once and read when it can be', async () => {
  const oracle = new LogOracle()
  let failures = 3
  const { hub, warnings } = await hubOver(oracle, {
    gapMs: 1,
    pollMs: 10,
    store: {
      changesSince: async (revision, limit) => {
        if (failures-- > 0) throw new LiveKVError('STORE_FAILED', 'Gone.')
        return oracle.changesSince(revision, limit)
      },
      latestChanges: async (limit) => oracle.latestChanges(limit),
      head: async () => oracle.head,
      get: async (keys) => oracle.get(keys),
      list: async (page) => oracle.list(page),
    },
  })
  oracle.append({ op: 'put', key: 'a', json: '1' })
  await until(() => hub.contiguous === 1)
  expect(warnings).toHaveLength(1)
  await hub.close()
})

test('Hub: a page of the log that does not come is asked for in smaller parts, and as before when it does', async () => {
  const oracle = new LogOracle()
  for (let n = 0; n < 1_000; n++) oracle.append({ op: 'put', key: 'a', json: '1' })
  const asked: number[] = []
  const { hub } = await hubOver(new LogOracle(), {
    gapMs: 1e6,
    pollMs: 1e6,
    store: {
      changesSince: async (revision, limit) => {
        asked.push(limit)
        if (asked.length <= 4) throw new LiveKVError('STORE_FAILED', 'No answer.')
        return oracle.changesSince(revision, Math.min(limit, 300))
      },
      latestChanges: async () => ({ head: 0, changes: [] }),
      head: async () => oracle.head,
      get: async (keys) => oracle.get(keys),
      list: async (page) => oracle.list(page),
    },
  })
  hub.noteHead(oracle.head)
  for (let n = 0; n < 5; n++) await hub.catchUp()
  expect(hub.contiguous).toBe(1_000)
  expect(asked).toEqual([5_000, 1_250, 313, 100, 100, 200, 400, 800, 1_600])
  await hub.close()
})

test('Hub: where only keys are watched a large gap is jumped over', async () => {
  const oracle = new LogOracle()
  const { hub, seen } = await hubOver(oracle, {
    maxGap: 10,
    watched: { keys: () => ['a', 'never'], prefixes: () => [], known: () => [] },
  })
  for (let i = 0; i < 50; i++) oracle.append({ op: 'put', key: i === 20 ? 'a' : 'b', json: '1' })
  hub.noteHead(50)
  let jumped = 0
  hub.onJump(() => jumped++)
  await hub.catchUp()
  expect([hub.contiguous, hub.tail.floor, jumped]).toEqual([50, 50, 1])
  // The key without a value is one for whoever watches it: nothing is told as of the head that was jumped to.
  expect(seen.filter((name) => name.startsWith('a') || name.startsWith('b'))).toEqual(['a21'])
  await hub.close()
})

test('Hub: what a listener causes reaches every listener after what caused it', async () => {
  const { hub } = await hubOver(new LogOracle())
  hub.listen((changes) => {
    if (changes[0]?.revision === 1) hub.accept([change('a', 2)])
  })
  const later: number[] = []
  hub.listen((changes) => later.push(...changes.map(({ revision }) => revision)))
  hub.accept([change('a', 1)])
  expect(later).toEqual([1, 2])
  await hub.close()
})

test('Hub: a listener that fails is reported and keeps nobody from the change', async () => {
  const { hub, warnings } = await hubOver(new LogOracle())
  hub.listen(() => {
    throw new Error('listener')
  })
  const later: number[] = []
  const stop = hub.listen((changes) => later.push(...changes.map(({ revision }) => revision)))
  hub.accept([change('a', 1)])
  stop()
  hub.accept([change('a', 2)])
  expect([later, warnings.length]).toEqual([[1], 2])
  await hub.close()
})

test('Hub: waiting for a revision ends when it is there, at the timeout, and at the close', async () => {
  const { hub } = await hubOver(new LogOracle())
  const there = hub.whenReached(2, 60_000)
  const timeout = hub.whenReached(9, 5)
  const atClose = hub.whenReached(9, 60_000)
  hub.accept([change('a', 2)])
  hub.accept([change('a', 1)])
  expect([await there, await timeout]).toEqual([true, false])
  await hub.close()
  expect([await atClose, await hub.whenReached(9, 60_000)]).toEqual([false, false])
})

test('MemoryCache: bounded, the least recently used goes first, a lower asOf does not replace a higher', async () => {
  const cache = new MemoryCache({ maxBytes: 900 })
  const item = (key: string, asOf: number) => ({ key, entry: null, revision: 1, asOf })
  cache.set([item('a', 5), item('b', 5), item('c', 5)])
  cache.get(['a'])
  cache.set([item('d', 5)])
  expect([...cache.get(['a', 'b', 'c', 'd']).keys()]).toEqual(['a', 'c', 'd'])
  cache.set([item('a', 4)])
  expect(cache.get(['a']).get('a')?.asOf).toBe(5)
  cache.set([item('a', 6)])
  expect([cache.get(['a']).get('a')?.asOf, cache.bytes <= 900]).toEqual([6, true])
  await cache.close()
  expect([cache.get(['a']).size, cache.bytes]).toEqual([0, 0])
})

test('MemoryBus: everything published reaches every subscriber, in order, and not in the publisher’s turn', async () => {
  const bus = new MemoryBus()
  const got: number[][] = [[], []]
  for (const list of got) {
    await bus.subscribe((changes) => list.push(...changes.map(({ revision }) => revision)))
  }
  bus.publish([change('a', 1), change('a', 2)])
  bus.publish([change('b', 3)])
  expect(got).toEqual([[], []])
  await settle()
  expect(got).toEqual([
    [1, 2, 3],
    [1, 2, 3],
  ])
  await bus.close()
  bus.publish([change('a', 4)])
  await settle()
  expect(got[0]).toHaveLength(3)
})
