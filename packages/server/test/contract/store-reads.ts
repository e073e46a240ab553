import { describe, expect, test } from 'vitest'
import { commitApplied, entryOf, logSince, put, remove, type StoreCase } from './store-case.ts'

/** get, list, listRevisions, changesSince, latestChanges, head, expired. */
export function readCases(use: StoreCase): void {
  describe('reads', () => {
    test('get gives entries, the head, and for absent keys the revision of the delete', async () => {
      const { store } = use
      const [a, b, c] = [use.key('a'), use.key('b'), use.key('c')]
      const put1 = await commitApplied(store, put(a, '1'))
      await store.commit([put(b, '1'), remove(b), put(b, '2')])
      const deleted = await commitApplied(store, remove(b))
      await commitApplied(store, put(use.key(), '1'))
      const read = await store.get([a, b, c])
      expect(read.head).toBe(deleted.revision + 1)
      expect([...read.entries.values()]).toEqual([
        { key: a, json: '1', revision: put1.revision, at: put1.at, time: put1.time, expiresAt: null },
      ])
      expect(new Map(read.absent)).toEqual(
        new Map([
          [b, deleted.revision],
          [c, 0],
        ]),
      )
      const none = await store.get([])
      expect([none.entries.size, none.absent.size]).toEqual([0, 0])
    })

    test('get takes 1,000 keys and keys of any letters', async () => {
      const { store } = use
      const prefix = use.key()
      const odd = [
        '',
        "'",
        '"',
        '\\',
        '{}',
        ',',
        'NULL',
        '%',
        '_',
        '😀',
        'é',
        'e\u0301',
        '/../',
        ' x ',
        '$1',
      ].map((s) => prefix + s)
      await store.commit(odd.map((key, i) => put(key, `${i}`)))
      const asked = [...odd, ...Array.from({ length: 1_000 - odd.length }, (_, i) => `${prefix}none${i}`)]
      const read = await store.get(asked)
      expect([...read.entries.values()].map((e) => [e.key, e.json]).sort()).toEqual(
        odd.map((key, i) => [key, `${i}`]).sort(),
      )
      expect(read.absent.size).toBe(1_000 - odd.length)
    })

    test('list goes in byte order, by prefix, in pages', async () => {
      const { store } = use
      const prefix = use.key('list/')
      const names = [
        '',
        'B',
        'Z',
        'a',
        'a%',
        'a%b',
        'a_',
        'a_b',
        'a\\',
        'a\\b',
        'ab',
        'b',
        'z',
        'ä',
        'đ',
        '\uffff',
        '\uffffx',
        '\u{1f600}',
        '\u{10ffff}',
        '\u{10ffff}\u{10ffff}',
        '-',
        '.',
      ]
      const inBytes = (list: string[]) =>
        [...list].sort((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y)))
      const sorted = inBytes(names).map((name) => prefix + name)
      await store.commit([...names].reverse().map((name) => put(prefix + name, '1')))
      await store.commit([put(`${prefix}gone`, '1'), remove(`${prefix}gone`)])
      expect((await store.list({ prefix, limit: sorted.length })).more).toBe(false)
      expect((await store.list({ prefix, limit: sorted.length - 1 })).more).toBe(true)
      const listed = async (page: { prefix?: string; after?: string; limit: number }) =>
        (await store.list(page)).entries.map((e) => e.key)
      expect(await listed({ prefix, limit: 1_000 })).toEqual(sorted)
      for (const part of [
        'a',
        'a%',
        'a_',
        'a\\',
        '\uffff',
        '\u{10ffff}',
        '\u{10ffff}\u{10ffff}',
        'ä',
        'nothing',
      ]) {
        expect(await listed({ prefix: prefix + part, limit: 1_000 })).toEqual(
          sorted.filter((key) => key.startsWith(prefix + part)),
        )
      }
      const paged: string[] = []
      for (;;) {
        const page = await listed({ prefix, limit: 3, ...(paged.length ? { after: paged.at(-1)! } : {}) })
        expect(page.length).toBeLessThanOrEqual(3)
        if (page.length === 0) break
        paged.push(...page)
      }
      expect(paged).toEqual(sorted)
      // `after` before the prefix does not shift the start, behind it ends the list.
      expect(await listed({ prefix, after: '!', limit: 2 })).toEqual(sorted.slice(0, 2))
      expect(await listed({ prefix, after: '\u{10ffff}', limit: 2 })).toEqual([])
      const all = await store.list({ limit: 1_000 })
      expect(all.entries.map((e) => e.key)).toEqual(inBytes(all.entries.map((e) => e.key)))
      expect(all.head).toBe(await store.head())
    })

    test('a prefix that ends in U+10FFFF, alone, is no special case', async () => {
      const { store } = use
      const key = `\u{10ffff}${use.key()}`
      await commitApplied(store, put(key, '1'))
      expect((await store.list({ prefix: '\u{10ffff}', limit: 1_000 })).entries.map((e) => e.key)).toContain(
        key,
      )
      expect((await store.list({ prefix: '\u{10ffff}\u{10ffff}', limit: 1_000 })).entries).toEqual([])
      await commitApplied(store, remove(key))
    })

    test('listRevisions pages over all keys with their revisions', async () => {
      const { store } = use
      const prefix = use.key('revisions/')
      const results = await store.commit([
        put(`${prefix}b`, '1'),
        put(`${prefix}a`, '1'),
        put(`${prefix}c`, '1'),
        remove(`${prefix}c`),
      ])
      expect(results).toHaveLength(4)
      const all: { key: string; revision: number }[] = []
      for (;;) {
        const page = await store.listRevisions({
          limit: 50,
          ...(all.length ? { after: all.at(-1)!.key } : {}),
        })
        expect(page.head).toBe(await store.head())
        if (page.keys.length === 0) break
        all.push(...page.keys)
      }
      const head = await store.head()
      expect(all.filter(({ key }) => key.startsWith(prefix))).toEqual([
        { key: `${prefix}a`, revision: head - 2 },
        { key: `${prefix}b`, revision: head - 3 },
      ])
      const entries = new Set<string>()
      for (let after: string | undefined; ; ) {
        const page = (await store.list({ limit: 1_000, ...(after === undefined ? {} : { after }) })).entries
        for (const e of page) entries.add(e.key)
        after = page.at(-1)?.key
        if (after === undefined) break
      }
      expect(new Set(all.map((k) => k.key))).toEqual(entries)
    })

    test('changesSince and latestChanges: order, limit, head', async () => {
      const { store } = use
      const key = use.key()
      const base = await store.head()
      await store.commit(Array.from({ length: 10 }, (_, i) => put(`${key}${i % 3}`, `${i}`, { time: i })))
      await store.commit([remove(`${key}0`)])
      const revisions = (changes: { revision: number }[]) => changes.map((c) => c.revision - base)
      const since = await store.changesSince(base, 4)
      expect([since.head - base, revisions(since.changes)]).toEqual([11, [1, 2, 3, 4]])
      expect(revisions((await store.changesSince(base + 9, 5_000)).changes)).toEqual([10, 11])
      expect(await store.changesSince(base + 11, 10)).toEqual({ head: base + 11, changes: [] })
      expect((await store.changesSince(base + 5_000, 10)).changes).toEqual([])
      const latest = await store.latestChanges(3)
      expect([latest.head - base, revisions(latest.changes)]).toEqual([11, [11, 10, 9]])
      expect(latest.changes[0]).toMatchObject({ key: `${key}0`, json: null })
      expect(latest.changes[1]).toMatchObject({ key: `${key}0`, json: '9', time: 9 })
      expect((await logSince(store, 0)).map((c) => c.revision)).toEqual(
        Array.from({ length: base + 11 }, (_, i) => i + 1),
      )
    })

    test('pages of large values are shorter, say so, and lose nothing', async () => {
      const { store } = use
      const prefix = use.key('large/')
      const base = await store.head()
      const count = 200
      const json = (i: number) => `"${`${i}`.padStart(65_000, '.')}"`
      const writes = Array.from({ length: count }, (_, i) => put(`${prefix}${1_000 + i}`, json(i)))
      for (let i = 0; i < count; i += 50) await store.commit(writes.slice(i, i + 50))
      const same = Array.from({ length: 100 }, (_, i) => put(`${prefix}same`, json(i), { time: i }))
      await store.commit(same)

      const listed: string[] = []
      for (let more = true; more; ) {
        const after = listed.length > 0 ? { after: `${prefix}${999 + listed.length}` } : {}
        const page = await store.list({ prefix: `${prefix}1`, limit: 1_000, ...after })
        listed.push(...page.entries.map((e) => e.json))
        more = page.more
        expect(page.entries.length).toBeGreaterThan(0)
      }
      expect(listed).toEqual(writes.map((_, i) => json(i)))
      const log = await logSince(store, base)
      expect(log.map((c) => c.revision - base)).toEqual(Array.from({ length: count + 100 }, (_, i) => i + 1))

      for (const order of ['asc', 'desc'] as const) {
        const times: number[] = []
        let last: { time: number; revision: number } | undefined
        for (let more = true; more; ) {
          const page = await store.history({
            key: `${prefix}same`,
            by: 'time',
            order,
            limit: 1_000,
            ...(last ? { after: last } : {}),
          })
          times.push(...page.changes.map((c) => c.time))
          last = page.changes.at(-1)
          more = page.more
        }
        const ascending = Array.from({ length: 100 }, (_, i) => i)
        expect(times).toEqual(order === 'asc' ? ascending : ascending.reverse())
      }
      const { head, changes } = await store.latestChanges(5_000)
      expect(changes.length).toBeGreaterThan(0)
      expect(changes.map((c) => c.revision)).toEqual(changes.map((_, i) => head - i))
    })

    test('the log folds into the entries', async () => {
      const { store } = use
      const folded = new Map<string, number>()
      for (const change of await logSince(store, 0)) {
        if (change.json === null) folded.delete(change.key)
        else folded.set(change.key, change.revision)
      }
      const keys = [...folded.keys()]
      for (let i = 0; i < keys.length; i += 1_000) {
        const { entries } = await store.get(keys.slice(i, i + 1_000))
        for (const key of keys.slice(i, i + 1_000))
          expect([key, entries.get(key)?.revision]).toEqual([key, folded.get(key)])
      }
    })

    test('expired names what has passed its expiry, with the revision to delete', async () => {
      const { store } = use
      const [a, b, c] = [use.key('a'), use.key('b'), use.key('c')]
      const [first] = await store.commit([
        put(a, '1', { ttlMs: 1 }),
        put(b, '1', { ttlMs: 3_600_000 }),
        put(c, '1'),
      ])
      if (first?.status !== 'applied') throw new Error('not applied')
      await expect
        .poll(async () => (await store.expired(1_000)).filter((e) => [a, b, c].includes(e.key)), {
          timeout: 30_000,
        })
        .toEqual([{ key: a, revision: first.change.revision }])
      await commitApplied(store, remove(a, { ifRevision: first.change.revision }))
      expect((await store.expired(1_000)).some((e) => e.key === a)).toBe(false)
      expect(await entryOf(store, b)).toBeDefined()
    })

    test('expired is bounded and touch takes a key off it', async () => {
      const { store } = use
      const key = use.key()
      await store.commit(Array.from({ length: 5 }, (_, i) => put(`${key}${i}`, '1', { ttlMs: 1 })))
      await expect
        .poll(async () => (await store.expired(1_000)).filter((e) => e.key.startsWith(key)).length, {
          timeout: 30_000,
        })
        .toBe(5)
      expect(await store.expired(2)).toHaveLength(2)
      await store.commit([
        { op: 'touch', key: `${key}0` },
        { op: 'touch', key: `${key}1`, ttlMs: 3_600_000 },
        put(`${key}2`, '2'),
      ])
      expect(
        (await store.expired(1_000))
          .filter((e) => e.key.startsWith(key))
          .map((e) => e.key)
          .sort(),
      ).toEqual([`${key}3`, `${key}4`])
      await store.commit([remove(`${key}3`), remove(`${key}4`)])
    })

    test('says what it is', async () => {
      await use.store.ping()
      expect(use.store.info.storeId).toMatch(/^[0-9a-f-]{36}\.\d+$/)
      expect(use.store.info.description).toMatch(/PostgreSQL/)
      const other = await use.another()
      expect(other.info.storeId).toBe(use.store.info.storeId)
    })
  })
}
