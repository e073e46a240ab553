import { describe, expect, test } from 'vitest'
import {
  applied,
  brief,
  commitApplied,
  commitOne,
  entryOf,
  increment,
  logged,
  logSince,
  put,
  remove,
  type StoreCase,
  touch,
} from './store-case.ts'

const HOUR_MS = 3_600_000

/** How the writes of a batch are decided, one after the other. */
export function commitCases(use: StoreCase): void {
  describe('revisions', () => {
    test('are gap-free and in the order of the writes; at never runs backwards', async () => {
      const { store } = use
      const base = await store.head()
      const key = use.key()
      for (let batch = 0; batch < 5; batch++) {
        const results = await store.commit(
          Array.from({ length: 20 }, (_, i) => put(`${key}${i % 7}`, `${i}`)),
        )
        expect(results.map((r) => applied(r).revision)).toEqual(
          Array.from({ length: 20 }, (_, i) => base + batch * 20 + i + 1),
        )
      }
      const log = await logSince(store, base)
      expect(log.map((c) => c.revision)).toEqual(Array.from({ length: 100 }, (_, i) => base + i + 1))
      for (let i = 1; i < log.length; i++) expect(log[i]!.at).toBeGreaterThanOrEqual(log[i - 1]!.at)
      expect(await store.head()).toBe(base + 100)
    })

    test('are not used up by writes that make no change', async () => {
      const { store } = use
      const key = use.key()
      const first = await commitApplied(store, put(key, '1'))
      const results = await store.commit([
        remove(use.key('never')),
        put(key, '2', { ifRevision: first.revision + 1000 }),
        put(key, '1', { skipUnchanged: true }),
        touch(use.key('never')),
        put(key, '3'),
      ])
      expect(results.map(brief)).toEqual([
        'unchanged 0',
        `conflict ${first.revision}`,
        `unchanged ${first.revision}`,
        'KEY_NOT_FOUND',
        'applied',
      ])
      expect(applied(results[4]).revision).toBe(first.revision + 1)
      expect(await store.head()).toBe(first.revision + 1)
    })

    test('an empty commit does nothing', async () => {
      const head = await use.store.head()
      expect(await use.store.commit([])).toEqual([])
      expect(await use.store.head()).toBe(head)
    })

    test('a batch of 5,000 answers item by item', async () => {
      const key = use.key()
      const results = await use.store.commit(
        Array.from({ length: 5_000 }, (_, i) =>
          i % 1000 === 999 ? remove(`${key}none`) : put(`${key}${i % 900}`, `${i}`),
        ),
      )
      expect(results.filter((r) => r.status === 'applied')).toHaveLength(4_995)
      expect(results.flatMap((r, i) => (r.status === 'unchanged' ? [i] : []))).toEqual([
        999, 1999, 2999, 3999, 4999,
      ])
    })
  })

  describe('put and delete', () => {
    test('the result, the log and the entry agree', async () => {
      const { store } = use
      const key = use.key()
      const before = Date.now()
      const change = await commitApplied(store, put(key, '{"bid": 1.10}'))
      expect(change).toMatchObject({ key, json: '{"bid": 1.10}' })
      expect(change.time).toBe(change.at)
      // The database's clock is this machine's; an hour allows for a clock that was set.
      expect(Math.abs(change.at - before)).toBeLessThan(HOUR_MS)
      const { revision, at, time } = change
      expect(await entryOf(store, key)).toEqual({
        key,
        json: '{"bid": 1.10}',
        revision,
        at,
        time,
        expiresAt: null,
      })
      expect((await logSince(store, revision - 1)).map(logged)).toEqual([logged(change)])
    })

    test('a delete is a change and leaves no entry; of an absent key it is none', async () => {
      const { store } = use
      const key = use.key()
      expect(await commitOne(store, remove(key))).toEqual({ status: 'unchanged', revision: 0 })
      await commitApplied(store, put(key, '1'))
      const deleted = await commitApplied(store, remove(key))
      expect(deleted).toMatchObject({ key, json: null })
      expect(await entryOf(store, key)).toBeUndefined()
      expect(await commitOne(store, remove(key))).toEqual({ status: 'unchanged', revision: 0 })
      expect((await logSince(store, deleted.revision - 1)).map(logged)).toEqual([logged(deleted)])
    })

    test('a put of an equal value is a change, unless skipUnchanged', async () => {
      const { store } = use
      const key = use.key()
      const first = await commitApplied(store, put(key, '1.0', { ttlMs: HOUR_MS }))
      expect(await commitOne(store, put(key, '1.0', { skipUnchanged: true }))).toEqual({
        status: 'unchanged',
        revision: first.revision,
      })
      expect((await entryOf(store, key))?.expiresAt).toBe(first.at + HOUR_MS)
      // Equal as text, not as a number.
      const other = await commitApplied(store, put(key, '1.00', { skipUnchanged: true }))
      const again = await commitApplied(store, put(key, '1.00'))
      expect(again.revision).toBe(other.revision + 1)
      // An absent key has no value that could be equal.
      await commitApplied(store, remove(key))
      await commitApplied(store, put(key, '1.00', { skipUnchanged: true }))
    })

    test('time is the writer’s, for a put and a delete, also long past', async () => {
      const { store } = use
      const key = use.key()
      const time = Date.UTC(1833, 0, 1)
      const change = await commitApplied(store, put(key, '18.93', { time }))
      expect(change.time).toBe(time)
      expect(change.at).toBeGreaterThan(time)
      expect((await entryOf(store, key))?.time).toBe(time)
      expect((await commitApplied(store, remove(key, { time: 12_345 }))).time).toBe(12_345)
      expect((await commitApplied(store, increment(key, '2', { time: 0 }))).time).toBe(0)
      expect((await commitApplied(store, touch(key, { time: 1 }))).time).toBe(1)
    })

    test('the latest commit is the value, not the latest time', async () => {
      const { store } = use
      const key = use.key()
      await store.commit([put(key, '2', { time: 2_000 }), put(key, '1', { time: 1_000 })])
      expect((await entryOf(store, key))?.json).toBe('1')
    })
  })

  describe('conditions', () => {
    test('ifRevision applies only at that revision', async () => {
      const { store } = use
      const key = use.key()
      const one = await commitApplied(store, put(key, '1'))
      const two = await commitApplied(store, put(key, '2', { ifRevision: one.revision }))
      for (const write of [
        put(key, '3', { ifRevision: one.revision }),
        remove(key, { ifRevision: one.revision }),
        increment(key, '1', { ifRevision: one.revision }),
        touch(key, { ifRevision: one.revision }),
        put(key, '2', { ifRevision: one.revision, skipUnchanged: true }),
      ]) {
        expect(await commitOne(store, write)).toEqual({ status: 'conflict', revision: two.revision })
      }
      expect((await entryOf(store, key))?.json).toBe('2')
      await commitApplied(store, remove(key, { ifRevision: two.revision }))
      for (const write of [
        put(key, '3', { ifRevision: two.revision }),
        remove(key, { ifRevision: two.revision }),
        touch(key, { ifRevision: two.revision }),
      ]) {
        expect(await commitOne(store, write)).toEqual({ status: 'conflict', revision: 0 })
      }
    })

    test('ifRevision 0 creates only', async () => {
      const { store } = use
      const key = use.key()
      const one = await commitApplied(store, put(key, '1', { ifRevision: 0 }))
      expect(await commitOne(store, put(key, '2', { ifRevision: 0 }))).toEqual({
        status: 'conflict',
        revision: one.revision,
      })
      expect(brief(await commitOne(store, increment(key, '2', { ifRevision: 0 })))).toBe(
        `conflict ${one.revision}`,
      )
      await commitApplied(store, remove(key))
      await commitApplied(store, increment(key, '2', { ifRevision: 0 }))
      expect((await entryOf(store, key))?.json).toBe('2')
    })

    test('several writes to one key in a batch are decided one after the other', async () => {
      const { store } = use
      const key = use.key()
      const base = await store.head()
      const results = await store.commit([
        put(key, '1', { ifRevision: 0 }), // 1
        put(key, '2', { ifRevision: 0 }),
        put(key, '3', { ifRevision: base + 1 }), // 2
        increment(key, '4'), // 3
        remove(key, { ifRevision: base + 2 }),
        remove(key, { ifRevision: base + 3 }), // 4
        remove(key),
        touch(key),
        put(key, '"x"', { ifRevision: 0, ttlMs: HOUR_MS }), // 5
        increment(key, '1'),
        put(key, '"x"', { skipUnchanged: true }),
        touch(key), // 6
      ])
      expect(results.map(brief)).toEqual([
        'applied',
        `conflict ${base + 1}`,
        'applied',
        'applied',
        `conflict ${base + 3}`,
        'applied',
        'unchanged 0',
        'KEY_NOT_FOUND',
        'applied',
        'NOT_A_NUMBER',
        `unchanged ${base + 5}`,
        'applied',
      ])
      expect((await logSince(store, base)).map((c) => c.json)).toEqual(['1', '3', '7', null, '"x"', '"x"'])
      expect(await entryOf(store, key)).toMatchObject({ json: '"x"', revision: base + 6, expiresAt: null })
    })

    test('a batch of plain puts and deletes of the same keys ends as its last write says', async () => {
      const { store } = use
      const [a, b, c] = [use.key('a'), use.key('b'), use.key('c')]
      const base = await store.head()
      const results = await store.commit([
        put(a, '1'),
        remove(b),
        remove(a),
        put(b, '1'),
        remove(a),
        put(c, '1'),
        remove(c),
        put(c, '2'),
      ])
      expect(results.map(brief)).toEqual([
        'applied',
        'unchanged 0',
        'applied',
        'applied',
        'unchanged 0',
        'applied',
        'applied',
        'applied',
      ])
      const { entries, absent } = await store.get([a, b, c])
      expect([...entries].map(([key, e]) => [key, e.json, e.revision]).sort()).toEqual([
        [b, '1', base + 3],
        [c, '2', base + 6],
      ])
      expect([...absent]).toEqual([[a, base + 2]])
      expect((await logSince(store, base)).map((x) => [x.key, x.json])).toEqual([
        [a, '1'],
        [a, null],
        [b, '1'],
        [c, '1'],
        [c, null],
        [c, '2'],
      ])
    })

    test('a batch of plain deletes finds each key once', async () => {
      const { store } = use
      const [a, b] = [use.key('a'), use.key('b')]
      await store.commit([put(a, '1'), put(b, '1')])
      const base = await store.head()
      const results = await store.commit([remove(a), remove(b), remove(a), remove(b), put(b, '2'), remove(b)])
      expect(results.map(brief)).toEqual([
        'applied',
        'applied',
        'unchanged 0',
        'unchanged 0',
        'applied',
        'applied',
      ])
      expect((await logSince(store, base)).map((c) => [c.key, c.json])).toEqual([
        [a, null],
        [b, null],
        [b, '2'],
        [b, null],
      ])
    })
  })

  describe('atomic groups', () => {
    test('apply all or none; items before are undone, later ones see the state without them', async () => {
      const { store } = use
      const [a, b] = [use.key('a'), use.key('b')]
      const base = await store.head()
      const results = await store.commit([
        put(a, '1'), // 1
        put(a, '2', { atomicGroup: 1 }),
        remove(a, { atomicGroup: 1 }),
        increment(b, '5', { atomicGroup: 1 }),
        put(b, '9', { atomicGroup: 1, ifRevision: 0 }),
        put(b, '10', { atomicGroup: 1 }),
        increment(a, '1'), // 2
        put(b, '6', { ifRevision: 0 }), // 3
        put(a, '3', { atomicGroup: 2 }), // 4
        remove(use.key('none'), { atomicGroup: 2 }),
        increment(b, '1', { atomicGroup: 2, ifRevision: base + 3 }), // 5
        put(a, '4', { atomicGroup: 3 }),
        touch(use.key('none'), { atomicGroup: 3 }),
      ])
      expect(results.map((r) => brief(r).split(' ')[0])).toEqual([
        'applied',
        'ATOMIC_ABORTED',
        'ATOMIC_ABORTED',
        'ATOMIC_ABORTED',
        'conflict',
        'ATOMIC_ABORTED',
        'applied',
        'applied',
        'applied',
        'unchanged',
        'applied',
        'ATOMIC_ABORTED',
        'KEY_NOT_FOUND',
      ])
      expect((await logSince(store, base)).map((c) => [c.revision - base, c.key, c.json])).toEqual([
        [1, a, '1'],
        [2, a, '2'],
        [3, b, '6'],
        [4, a, '3'],
        [5, b, '7'],
      ])
      expect((await entryOf(store, a))?.json).toBe('3')
      expect((await entryOf(store, b))?.json).toBe('7')
    })

    test('an aborted group alone leaves nothing, nor does one that had deleted or created', async () => {
      const { store } = use
      const [a, b] = [use.key('a'), use.key('b')]
      const first = await commitApplied(store, put(a, '{"v": 1}', { ttlMs: HOUR_MS, time: 5 }))
      const before = await entryOf(store, a)
      const results = await store.commit([
        remove(a, { atomicGroup: 7 }),
        put(a, '2', { atomicGroup: 7 }),
        put(b, '1', { atomicGroup: 7 }),
        increment(a, '1', { atomicGroup: 7, ifRevision: first.revision }),
      ])
      expect(results.map((r) => brief(r).split(' ')[0])).toEqual([
        'ATOMIC_ABORTED',
        'ATOMIC_ABORTED',
        'ATOMIC_ABORTED',
        'conflict',
      ])
      expect(await store.head()).toBe(first.revision)
      expect(await entryOf(store, a)).toEqual(before)
      expect(await entryOf(store, b)).toBeUndefined()
    })

    test('two groups and neighbours of one key do not see an aborted group between them', async () => {
      const { store } = use
      const key = use.key()
      const results = await store.commit([
        increment(key, '1', { atomicGroup: 1 }),
        increment(key, '10', { atomicGroup: 2 }),
        increment(key, '100', { atomicGroup: 2, ifRevision: 0 }),
        increment(key, '1000', { atomicGroup: 3 }),
      ])
      expect(results.map((r) => brief(r).split(' ')[0])).toEqual([
        'applied',
        'ATOMIC_ABORTED',
        'conflict',
        'applied',
      ])
      expect((await entryOf(store, key))?.json).toBe('1001')
    })
  })

  describe('increment', () => {
    test('adds decimals exactly; an absent key counts as 0', async () => {
      const { store } = use
      const key = use.key()
      expect((await commitApplied(store, increment(key, '0.1'))).json).toBe('0.1')
      expect((await commitApplied(store, increment(key, '0.2'))).json).toBe('0.3')
      await commitApplied(store, put(key, '9007199254740993'))
      expect((await commitApplied(store, increment(key, '1'))).json).toBe('9007199254740994')
      await commitApplied(store, put(key, '-5'))
      expect(Number((await commitApplied(store, increment(key, '5'))).json)).toBe(0)
      await commitApplied(store, put(key, '1.5e2'))
      expect(Number((await commitApplied(store, increment(key, '-2.5E1'))).json)).toBe(125)
      expect((await entryOf(store, key))?.json).toBe(
        (await logSince(store, (await store.head()) - 1))[0]?.json,
      )
    })

    test('many in one batch add up', async () => {
      const { store } = use
      const key = use.key()
      const results = await store.commit(Array.from({ length: 500 }, () => increment(key, '0.01')))
      expect(Number(applied(results[499]).json)).toBe(5)
      expect(Number((await entryOf(store, key))?.json)).toBe(5)
    })

    test.each(['"5"', '"x"', '"\\u0000"', 'null', 'true', '[1]', '{"a":1}'])(
      'of %s is NOT_A_NUMBER',
      async (json) => {
        const { store } = use
        const key = use.key()
        const first = await commitApplied(store, put(key, json))
        expect(brief(await commitOne(store, increment(key, '1')))).toBe('NOT_A_NUMBER')
        expect(await entryOf(store, key)).toMatchObject({ json, revision: first.revision })
      },
    )

    test('past a double’s range is NOT_A_NUMBER, and its neighbours apply', async () => {
      const { store } = use
      const [key, other] = [use.key(), use.key()]
      await commitApplied(store, put(key, '1e308'))
      const results = await store.commit([put(other, '1'), increment(key, '1e308'), increment(other, '1')])
      expect(results.map(brief)).toEqual(['applied', 'NOT_A_NUMBER', 'applied'])
      expect((await entryOf(store, key))?.json).toBe('1e308')
      expect(brief(await commitOne(store, increment(key, '-1e308')))).toBe('applied')
      expect(Number((await entryOf(store, key))?.json)).toBe(0)
    })
  })

  describe('expiry', () => {
    test('a put with ttlMs sets it, one without clears it', async () => {
      const { store } = use
      const key = use.key()
      const first = await commitApplied(store, put(key, '1', { ttlMs: HOUR_MS }))
      expect((await entryOf(store, key))?.expiresAt).toBe(first.at + HOUR_MS)
      if (first.expiresAt !== undefined) expect(first.expiresAt).toBe(first.at + HOUR_MS)
      await commitApplied(store, put(key, '2'))
      expect((await entryOf(store, key))?.expiresAt).toBeNull()
    })

    test('does not outlive a delete', async () => {
      const { store } = use
      const key = use.key()
      await store.commit([put(key, '1', { ttlMs: HOUR_MS }), remove(key), increment(key, '1')])
      expect((await entryOf(store, key))?.expiresAt).toBeNull()
    })

    test('increment keeps it unless it brings its own', async () => {
      const { store } = use
      const key = use.key()
      const first = await commitApplied(store, put(key, '1', { ttlMs: HOUR_MS }))
      await commitApplied(store, increment(key, '1'))
      expect((await entryOf(store, key))?.expiresAt).toBe(first.at + HOUR_MS)
      const last = await commitApplied(store, increment(key, '1', { ttlMs: 2 * HOUR_MS }))
      expect((await entryOf(store, key))?.expiresAt).toBe(last.at + 2 * HOUR_MS)
    })

    test('touch renews or clears it and writes the same value again', async () => {
      const { store } = use
      const key = use.key()
      expect(brief(await commitOne(store, touch(key, { ttlMs: HOUR_MS })))).toBe('KEY_NOT_FOUND')
      const first = await commitApplied(store, put(key, '{"b":1.10,"a":2}', { ttlMs: HOUR_MS }))
      const renewed = await commitApplied(store, touch(key, { ttlMs: 3 * HOUR_MS }))
      expect(renewed).toMatchObject({ revision: first.revision + 1, json: '{"b":1.10,"a":2}' })
      expect((await entryOf(store, key))?.expiresAt).toBe(renewed.at + 3 * HOUR_MS)
      await commitApplied(store, touch(key))
      expect(await entryOf(store, key)).toMatchObject({ expiresAt: null, json: '{"b":1.10,"a":2}' })
    })
  })
}
