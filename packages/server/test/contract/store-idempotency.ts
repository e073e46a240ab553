import { describe, expect, test } from 'vitest'
import type { Write } from '../../src/store/store.ts'
import {
  applied,
  brief,
  commitApplied,
  commitOne,
  entryOf,
  increment,
  logged,
  put,
  remove,
  type StoreCase,
} from './store-case.ts'

/** A write repeated under its idempotency key is answered as the first time and changes nothing. */
export function idempotencyCases(use: StoreCase): void {
  describe('idempotency', () => {
    test('a repeat in another commit gets the first result', async () => {
      const { store } = use
      const key = use.key()
      const write = increment(key, '5', { idempotencyKey: use.key('id') })
      const first = await commitApplied(store, write)
      await commitApplied(store, increment(key, '1'))
      const head = await store.head()
      const again = await commitOne(store, write)
      expect(again).toMatchObject({ status: 'applied', repeated: true })
      expect(logged(applied(again))).toEqual(logged(first))
      expect(await store.head()).toBe(head)
      expect((await entryOf(store, key))?.json).toBe('6')
    })

    test('a repeat in the same batch too', async () => {
      const { store } = use
      const key = use.key()
      const write = increment(key, '5', { idempotencyKey: use.key('id') })
      const results = await store.commit([write, increment(key, '1'), write, put(use.key(), '1'), write])
      expect(results.map(brief)).toEqual([
        'applied',
        'applied',
        'applied repeated',
        'applied',
        'applied repeated',
      ])
      for (const i of [2, 4]) expect(logged(applied(results[i]))).toEqual(logged(applied(results[0])))
      expect((await entryOf(store, key))?.json).toBe('6')
    })

    test('a put and a delete: the change comes back as it was, the entry stays as it is', async () => {
      const { store } = use
      const key = use.key()
      const write = put(key, '{"a": 1.0}', { idempotencyKey: use.key('id'), time: 77, ttlMs: 3_600_000 })
      const gone = remove(key, { idempotencyKey: use.key('id') })
      const first = await commitApplied(store, write)
      const deleted = await commitApplied(store, gone)
      const last = await commitApplied(store, put(key, '2'))
      const results = await store.commit([write, gone])
      expect(results.map(brief)).toEqual(['applied repeated', 'applied repeated'])
      expect(results.map((r) => logged(applied(r)))).toEqual([logged(first), logged(deleted)])
      expect(await entryOf(store, key)).toMatchObject({ json: '2', revision: last.revision })
    })

    test('a repeated conflict and a repeated "unchanged" answer as the first', async () => {
      const { store } = use
      const [key, none] = [use.key(), use.key()]
      const first = await commitApplied(store, put(key, '1'))
      const create = put(key, '2', { ifRevision: 0, idempotencyKey: use.key('id') })
      const absent = remove(none, { idempotencyKey: use.key('id') })
      const same = put(key, '1', { skipUnchanged: true, idempotencyKey: use.key('id') })
      expect((await store.commit([create, absent, same])).map(brief)).toEqual([
        `conflict ${first.revision}`,
        'unchanged 0',
        `unchanged ${first.revision}`,
      ])
      // Each would be applied if it were decided anew.
      await store.commit([remove(key), put(none, '1')])
      const head = await store.head()
      expect((await store.commit([create, absent, same])).map(brief)).toEqual([
        `conflict ${first.revision} repeated`,
        'unchanged 0 repeated',
        `unchanged ${first.revision} repeated`,
      ])
      expect(await store.head()).toBe(head)
    })

    test('another payload is a mismatch and changes nothing', async () => {
      const { store } = use
      const key = use.key()
      const idempotencyKey = use.key('id')
      const first = put(key, '1', { idempotencyKey })
      const others: Write[] = [
        put(key, '2', { idempotencyKey }),
        put(`${key}x`, '1', { idempotencyKey }),
        put(key, '1', { idempotencyKey, ttlMs: 3_600_000 }),
        put(key, '1', { idempotencyKey, ifRevision: 0 }),
        put(key, '1', { idempotencyKey, time: 5 }),
        put(key, '1', { idempotencyKey, skipUnchanged: true }),
        remove(key, { idempotencyKey }),
        increment(key, '1', { idempotencyKey }),
      ]
      const results = await store.commit([first, ...others])
      expect(results.map(brief)).toEqual(['applied', ...others.map(() => 'IDEMPOTENCY_MISMATCH')])
      const head = await store.head()
      expect((await store.commit(others)).map(brief)).toEqual(others.map(() => 'IDEMPOTENCY_MISMATCH'))
      expect(brief(await commitOne(store, first))).toBe('applied repeated')
      expect(await store.head()).toBe(head)
    })

    test('field boundaries do not blur: key and value are not one text', async () => {
      const { store } = use
      const key = use.key()
      const idempotencyKey = use.key('id')
      await commitApplied(store, put(`${key}1`, '2', { idempotencyKey }))
      expect(brief(await commitOne(store, put(key, '12', { idempotencyKey })))).toBe('IDEMPOTENCY_MISMATCH')
    })

    test('an aborted group is not remembered: its retry is decided anew', async () => {
      const { store } = use
      const [a, b] = [use.key('a'), use.key('b')]
      const blocker = await commitApplied(store, put(b, '1'))
      const group: Write[] = [
        increment(a, '1', { atomicGroup: 1, idempotencyKey: use.key('id') }),
        put(b, '2', { atomicGroup: 1, ifRevision: 0 }),
      ]
      expect((await store.commit([...group, group[0]!].map(withoutGroupAfter(2)))).map(brief)).toEqual([
        'ATOMIC_ABORTED',
        `conflict ${blocker.revision}`,
        'applied',
      ])
      expect((await entryOf(store, a))?.json).toBe('1')
      await commitApplied(store, remove(b))
      expect((await store.commit(group)).map(brief)).toEqual(['applied repeated', 'applied'])
      expect((await entryOf(store, a))?.json).toBe('1')
    })

    test('a repeated conflict aborts its group', async () => {
      const { store } = use
      const [a, b] = [use.key('a'), use.key('b')]
      const id = use.key('id')
      await commitApplied(store, put(a, '1'))
      await commitOne(store, put(a, '2', { ifRevision: 0, idempotencyKey: id }))
      await commitApplied(store, remove(a))
      const results = await store.commit([
        put(b, '1', { atomicGroup: 1 }),
        put(a, '2', { ifRevision: 0, idempotencyKey: id, atomicGroup: 1 }),
      ])
      expect(results.map((r) => brief(r).split(' ')[0])).toEqual(['ATOMIC_ABORTED', 'conflict'])
      expect(await entryOf(store, b)).toBeUndefined()
    })

    test('one key for two writes of a group: nothing of the group is applied, its neighbours are', async () => {
      const { store } = use
      const [a, b] = [use.key('a'), use.key('b')]
      const idempotencyKey = use.key('id')
      const results = await store.commit([
        put(a, '1'),
        put(a, '2', { atomicGroup: 1, idempotencyKey }),
        put(b, '2', { atomicGroup: 1, idempotencyKey }),
        put(b, '3'),
        put(a, '4', { atomicGroup: 2 }),
        put(b, '4', { atomicGroup: 2, idempotencyKey }),
        put(b, '5', { atomicGroup: 2, idempotencyKey: use.key('id') }),
      ])
      expect(results.map(brief)).toEqual([
        'applied',
        'ATOMIC_ABORTED',
        'IDEMPOTENCY_MISMATCH',
        'applied',
        'applied',
        'applied',
        'applied',
      ])
      expect((await entryOf(store, a))?.json).toBe('4')
      expect((await entryOf(store, b))?.json).toBe('5')
      const again = await store.commit([
        put(a, '6', { atomicGroup: 1 }),
        put(b, '6', { atomicGroup: 1, idempotencyKey }),
      ])
      expect(again.map(brief)).toEqual(['ATOMIC_ABORTED', 'IDEMPOTENCY_MISMATCH'])
    })

    test('another store instance, or the same data opened again, knows it', async () => {
      const key = use.key()
      const write = increment(key, '5', { idempotencyKey: use.key('id') })
      const first = await commitApplied(use.store, write)
      const other = await use.another()
      const again = await commitOne(other, write)
      expect(brief(again)).toBe('applied repeated')
      expect(logged(applied(again))).toEqual(logged(first))
      expect((await entryOf(other, key))?.json).toBe('5')
      expect(await other.head()).toBe(first.revision)
      await commitApplied(other, put(key, '7'))
    })
  })
}

const withoutGroupAfter =
  (count: number) =>
  (write: Write, index: number): Write => {
    const { atomicGroup, ...rest } = write
    return index < count ? write : (rest as Write)
  }
