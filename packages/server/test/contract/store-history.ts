import { describe, expect, test } from 'vitest'
import type { Change, HistoryQuery } from '../../src/store/store.ts'
import { commitApplied, historyPage, logged, put, remove, type StoreCase } from './store-case.ts'

/** A key's changes by the source's time and by revision. */
export function historyCases(use: StoreCase): void {
  describe('history', () => {
    test('by time: late rows fall into place, ties go by revision; by revision: as committed', async () => {
      const { store } = use
      const key = use.key()
      const base = await store.head()
      const times = [3_000, 1_000, 2_000, 2_000, -5_000, 1_000, 4_000]
      await store.commit(times.map((time, i) => put(key, `${i}`, { time })))
      await store.commit([put(`${key}/other`, '99', { time: 2_000 }), remove(key, { time: 2_000 })])
      const ask = async (query: Partial<HistoryQuery> = {}) =>
        (await historyPage(store, { key, by: 'time', order: 'asc', limit: 1_000, ...query })).map(
          (c) => c.json,
        )
      const byTime = ['4', '1', '5', '2', '3', null, '0', '6']
      expect(await ask()).toEqual(byTime)
      expect(await ask({ order: 'desc' })).toEqual([...byTime].reverse())
      expect(await ask({ limit: 3 })).toEqual(['4', '1', '5'])
      expect(await ask({ limit: 3, order: 'desc' })).toEqual(['6', '0', null])
      expect(await ask({ from: 2_000 })).toEqual(['2', '3', null, '0', '6'])
      expect(await ask({ to: 2_000 })).toEqual(['4', '1', '5'])
      expect(await ask({ from: 1_000, to: 3_000, order: 'desc' })).toEqual([null, '3', '2', '5', '1'])
      expect(await ask({ from: 3_000, to: 3_000 })).toEqual([])
      expect(await ask({ from: 1_001, to: 2_000 })).toEqual([])

      const byRevision = ['0', '1', '2', '3', '4', '5', '6', null]
      expect(await ask({ by: 'revision' })).toEqual(byRevision)
      expect(await ask({ by: 'revision', order: 'desc' })).toEqual([...byRevision].reverse())
      expect(await ask({ by: 'revision', from: base + 2, to: base + 4 })).toEqual(['1', '2'])
      expect(await ask({ by: 'revision', from: base + 7, order: 'desc', limit: 1 })).toEqual([null])
      expect(await ask({ by: 'revision', to: base + 3, order: 'desc', limit: 1 })).toEqual(['1'])
    })

    test.each(['time', 'revision'] as const)(
      'pages by %s go on behind the last one, both ways',
      async (by) => {
        const { store } = use
        const key = use.key()
        const count = 25
        await store.commit(Array.from({ length: count }, (_, i) => put(key, `${i}`, { time: (i * 7) % 5 })))
        for (const order of ['asc', 'desc'] as const) {
          const whole = await historyPage(store, { key, by, order, limit: 1_000 })
          expect(whole).toHaveLength(count)
          for (const limit of [1, 4]) {
            const paged: Change[] = []
            for (;;) {
              const last = paged.at(-1)
              const page = await historyPage(store, {
                key,
                by,
                order,
                limit,
                ...(last ? { after: { time: last.time, revision: last.revision } } : {}),
              })
              if (page.length === 0) break
              expect(page.length).toBeLessThanOrEqual(limit)
              paged.push(...page)
            }
            expect(paged.map(logged)).toEqual(whole.map(logged))
          }
        }
      },
    )

    test('gives a change as it was committed', async () => {
      const { store } = use
      const key = use.key()
      const change = await commitApplied(store, put(key, '{"bid": 1.10}', { time: Date.UTC(1833, 0, 1) }))
      const gone = await commitApplied(store, remove(key))
      expect(
        (await historyPage(store, { key, by: 'revision', order: 'asc', limit: 10 })).map(logged),
      ).toEqual([logged(change), logged(gone)])
      expect(await historyPage(store, { key: `${key}x`, by: 'time', order: 'asc', limit: 10 })).toEqual([])
    })

    test('pages that rows arrive between neither repeat nor lose what was there', async () => {
      const { store } = use
      const key = use.key()
      await store.commit([10, 20, 30, 40].map((time) => put(key, `${time}`, { time })))
      const page = await historyPage(store, { key, by: 'time', order: 'asc', limit: 2 })
      await store.commit([
        put(key, '5', { time: 5 }),
        put(key, '20', { time: 20 }),
        put(key, '35', { time: 35 }),
      ])
      const last = page.at(-1)!
      const rest = await historyPage(store, {
        key,
        by: 'time',
        order: 'asc',
        limit: 10,
        after: { time: last.time, revision: last.revision },
      })
      expect(rest.map((c) => c.time)).toEqual([20, 30, 35, 40])
    })
  })
}
