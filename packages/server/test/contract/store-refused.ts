import { describe, expect, test } from 'vitest'
import {
  applied,
  brief,
  commitApplied,
  commitOne,
  entryOf,
  historyPage,
  increment,
  logSince,
  put,
  remove,
  type StoreCase,
} from './store-case.ts'

const deep = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)

/** Values come back exactly as written; what cannot be kept fails alone. */
export function refusedCases(use: StoreCase): void {
  describe('values', () => {
    test.each([
      '1.10',
      '-0',
      '1E+2',
      '12345678901234567890123456789012345678901234567890.12345678901234567890',
      '{"b": 1, "a": 2, "b": 3}',
      ' [1,  2 ]\n',
      '"\\u0000"',
      '{"\\u0000": "\\u0000"}',
      '"\\ud83d\\ude00 😀 \\/"',
      '""',
      'null',
      'false',
      '0',
      '{"__proto__": {"x": 1}}',
      `"${'x'.repeat(65_534)}"`,
      deep(500),
    ])('come back as the same text: %.60s', async (json) => {
      const { store } = use
      const key = use.key()
      const change = await commitApplied(store, put(key, json))
      expect(change.json).toBe(json)
      expect((await entryOf(store, key))?.json).toBe(json)
      expect((await logSince(store, change.revision - 1))[0]?.json).toBe(json)
      expect((await historyPage(store, { key, by: 'time', order: 'asc', limit: 1 }))[0]?.json).toBe(json)
      expect((await store.list({ prefix: key, limit: 1 })).entries[0]?.json).toBe(json)
      expect((await store.latestChanges(1)).changes[0]?.json).toBe(json)
    })

    test.each(['{"a":', 'nope', '', 'NaN', '1 2', '"\u0000"'])('%j is refused alone', async (json) => {
      const { store } = use
      const [a, b, c] = [use.key('a'), use.key('b'), use.key('c')]
      const base = await store.head()
      const results = await store.commit([put(a, '1'), put(b, json), put(c, '1')])
      expect(results.map(brief)).toEqual(['applied', 'INVALID_VALUE', 'applied'])
      expect([applied(results[0]).revision, applied(results[2]).revision]).toEqual([base + 1, base + 2])
      const { entries } = await store.get([a, b, c])
      expect([...entries.keys()].sort()).toEqual([a, c])
      expect(await store.head()).toBe(base + 2)
    })

    test.each(['a\u0000b'])('a key %j is refused alone', async (bad) => {
      const { store } = use
      const key = use.key()
      const results = await store.commit([
        put(key, '1'),
        put(key + bad, '1'),
        remove(key + bad),
        increment(key, '1'),
      ])
      expect(results.map(brief)).toEqual(['applied', 'INVALID_VALUE', 'INVALID_VALUE', 'applied'])
      expect((await store.list({ prefix: key, limit: 10 })).entries.map((e) => e.key)).toEqual([key])
    })

    test('several bad items among many fail alone, in their places', async () => {
      const { store } = use
      const key = use.key()
      const bad = new Set([0, 17, 18, 63, 199])
      const results = await store.commit(
        Array.from({ length: 200 }, (_, i) => put(`${key}${i}`, bad.has(i) ? '{' : `${i}`)),
      )
      expect(new Set(results.flatMap((r, i) => (brief(r) === 'INVALID_VALUE' ? [i] : [])))).toEqual(bad)
      expect(results.filter((r) => r.status === 'applied')).toHaveLength(195)
      for (const [i, r] of results.entries()) if (r.status === 'applied') expect(r.change.json).toBe(`${i}`)
    })

    test('a bad item beside decided ones: the decisions hold', async () => {
      const { store } = use
      const [a, b] = [use.key('a'), use.key('b')]
      const base = await store.head()
      const results = await store.commit([
        put(a, '1', { ifRevision: 0 }),
        put(b, '[1,'),
        put(a, '2', { ifRevision: base + 1 }),
        increment(a, '1'),
        put(a, '9', { ifRevision: 0 }),
      ])
      expect(results.map(brief)).toEqual([
        'applied',
        'INVALID_VALUE',
        'applied',
        'applied',
        `conflict ${base + 3}`,
      ])
      expect((await entryOf(store, a))?.json).toBe('3')
    })

    test('a bad item aborts its atomic group only', async () => {
      const { store } = use
      const [a, b, c] = [use.key('a'), use.key('b'), use.key('c')]
      const results = await store.commit([
        put(a, '1'),
        put(a, '2', { atomicGroup: 1 }),
        put(b, '{', { atomicGroup: 1 }),
        put(c, '2', { atomicGroup: 1 }),
        put(c, '3'),
      ])
      const codes = results.map(brief)
      expect([codes[0], codes[2], codes[4]]).toEqual(['applied', 'INVALID_VALUE', 'applied'])
      // Which item of the group it was need not be known.
      for (const i of [1, 3]) expect(['ATOMIC_ABORTED', 'INVALID_VALUE']).toContain(codes[i])
      expect((await entryOf(store, a))?.json).toBe('1')
      expect((await entryOf(store, c))?.json).toBe('3')
    })

    // A number a double rounds to 0, too fine for PostgreSQL's numeric type: a legal value all the same.
    test.each(['1e-20000', `0.${'0'.repeat(20_000)}1`])(
      'a number beyond numeric’s scale is kept, and an increment of it harms nobody: %.20s',
      async (json) => {
        const { store } = use
        const [key, other] = [use.key(), use.key()]
        await commitApplied(store, put(key, json))
        expect((await entryOf(store, key))?.json).toBe(json)
        const results = await store.commit([put(other, '1'), increment(key, '1'), increment(other, '1')])
        expect([results[0], results[2]].map((r) => brief(r!))).toEqual(['applied', 'applied'])
        expect(brief(results[1]!)).toBe('NOT_A_NUMBER')
        expect(brief(await commitOne(store, increment(other, '1e-20000')))).toBe('NOT_A_NUMBER')
        expect((await entryOf(store, other))?.json).toBe('2')
      },
    )

    test('an increment by something that is no number is refused alone', async () => {
      const { store } = use
      const [key, other] = [use.key(), use.key()]
      const results = await store.commit([put(other, '1'), increment(key, 'one'), increment(other, '1')])
      expect(results[1]?.status).toBe('failed')
      expect((await entryOf(store, other))?.json).toBe('2')
      expect(await entryOf(store, key)).toBeUndefined()
    })

    test('after refusals the store goes on', async () => {
      const key = use.key()
      expect(brief(await commitOne(use.store, put(key, '{')))).toBe('INVALID_VALUE')
      await commitApplied(use.store, put(key, '1'))
    })
  })
}
