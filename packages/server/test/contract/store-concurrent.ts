import { describe, expect, test } from 'vitest'
import type { Store, Write } from '../../src/store/store.ts'
import { findViolation, runWorkload } from './serial-replay.ts'
import { brief, entryOf, increment, type StoreCase } from './store-case.ts'

const STORES = 4

/** Several stores on one database, all writing at once. */
export function concurrentCases(use: StoreCase): void {
  describe('several writers at once', () => {
    async function stores(): Promise<Store[]> {
      return Promise.all(Array.from({ length: STORES }, () => use.another()))
    }

    test('every result is that of one order, and the entries are the fold of the log', async () => {
      const writers = await stores()
      const prefix = use.key('c/')
      const base = await use.store.head()
      const history = await runWorkload(writers, { prefix, batches: 300, maxBatch: 4 })
      const counted = history.flatMap((h) => h.results)
      for (const status of ['applied', 'conflict', 'unchanged']) {
        expect(counted.filter((r) => r.status === status).length, status).toBeGreaterThan(50)
      }
      expect(await findViolation(use.store, { prefix, base, history })).toBeNull()
    }, 120_000)

    test('increments add up', async () => {
      const writers = await stores()
      const key = use.key()
      await Promise.all(
        writers.map(async (store) => {
          for (let i = 0; i < 50; i++) await store.commit([increment(key, '1'), increment(key, '0.5')])
        }),
      )
      expect(Number((await entryOf(use.store, key))?.json)).toBe(STORES * 50 * 1.5)
    }, 60_000)

    test('one idempotency key from all sides is applied once', async () => {
      const writers = await stores()
      const key = use.key()
      for (let i = 0; i < 50; i++) {
        const write: Write = increment(key, '1', { idempotencyKey: `${key}/${i}` })
        const results = (await Promise.all(writers.map((store) => store.commit([write])))).flat()
        expect(results.map(brief).sort()).toEqual([
          'applied',
          'applied repeated',
          'applied repeated',
          'applied repeated',
        ])
        expect(new Set(results.map((r) => (r.status === 'applied' ? r.change.revision : 0))).size).toBe(1)
      }
      expect((await entryOf(use.store, key))?.json).toBe('50')
    }, 60_000)

    test('of many who create a key one succeeds', async () => {
      const writers = await stores()
      for (let i = 0; i < 50; i++) {
        const key = use.key()
        const write: Write = { op: 'put', key, json: '1', ifRevision: 0 }
        const results = (await Promise.all(writers.map((store) => store.commit([write])))).flat()
        expect(results.map((r) => r.status).sort()).toEqual(['applied', 'conflict', 'conflict', 'conflict'])
      }
    }, 60_000)

    test('a read’s head and entries belong together', async () => {
      const writers = await stores()
      const key = use.key()
      let writing = true
      const write = Promise.all(
        writers.slice(1).map(async (store) => {
          for (let i = 0; i < 150; i++) await store.commit([increment(key, '1')])
        }),
      ).finally(() => {
        writing = false
      })
      const base = await writers[0]!.head()
      const seen: { head: number; revision: number }[] = []
      while (writing) {
        const read = await writers[0]!.get([key])
        seen.push({ head: read.head, revision: read.entries.get(key)?.revision ?? 0 })
      }
      await write
      // Nothing else writes now, so that every revision above `base` is of this key.
      for (const { head, revision } of seen) if (head > base) expect(revision).toBe(head)
      expect(seen.some(({ head }) => head > base)).toBe(true)
    }, 60_000)
  })
}
