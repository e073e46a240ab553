import { describe, expect, test } from 'vitest'
import type { Candle, CandleQuery, CandleResume, Store } from '../../src/store/store.ts'
import { put, remove, type StoreCase } from './store-case.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
const day = (text: string) => Date.parse(`${text}T00:00:00Z`)

/** All candles of a query, through as many slices as it takes. */
async function allCandles(store: Store, query: CandleQuery): Promise<{ candles: Candle[]; slices: number }> {
  const candles: Candle[] = []
  let resume: CandleResume | undefined
  for (let slices = 1; ; slices++) {
    const slice = await store.candles({ ...query, ...(resume ? { resume } : {}) })
    expect(slice.candles.length).toBeLessThanOrEqual(query.limit)
    candles.push(...slice.candles)
    if (!slice.resume) return { candles, slices }
    resume = slice.resume
  }
}

const row = (c: Candle) => [c.time, c.open, c.high, c.low, c.close, c.count]

/** Open, high, low, close and count per bucket of the source's time. */
export function candleCases(use: StoreCase): void {
  describe('candles', () => {
    const minutes = { unit: 'millisecond', count: MINUTE_MS } as const

    test('take their order from time, ties from revision, and digits as written', async () => {
      const { store } = use
      const key = use.key()
      const at = (minute: number, second: number) => minute * MINUTE_MS + second * 1_000
      await store.commit([
        put(key, '12.50', { time: at(1, 30) }),
        put(key, '10.0', { time: at(1, 0) }),
        put(key, '"11.930"', { time: at(1, 59) }),
        put(key, '9', { time: at(3, 10) }),
        put(key, '9.00', { time: at(3, 10) }),
        put(key, '1e1', { time: at(3, 20) }),
        put(key, '-2.5', { time: at(-1, 1) }),
        put(key, '13', { time: at(2, 0) }),
      ])
      const { candles } = await store.candles({ key, interval: minutes, limit: 100 })
      expect(candles.map(row)).toEqual([
        [at(-1, 0), '-2.5', '-2.5', '-2.5', '-2.5', 1],
        [at(1, 0), '10.0', '12.50', '10.0', '11.930', 3],
        [at(2, 0), '13', '13', '13', '13', 1],
        // An exponent is written out.
        [at(3, 0), '9', '10', expect.stringMatching(/^9(\.00)?$/), '10', 3],
      ])
    })

    test('high and low compare as numbers, not as text', async () => {
      const { store } = use
      const key = use.key()
      await store.commit(['9', '10', '"100"', '-9', '-10'].map((json, i) => put(key, json, { time: i })))
      const { candles } = await store.candles({ key, interval: minutes, limit: 1 })
      expect(candles.map(row)).toEqual([[0, '9', '100', '-10', '-10', 5]])
    })

    test('skip what is no number, and deletes', async () => {
      const { store } = use
      const key = use.key()
      const odd = [
        '"abc"',
        '""',
        '" 5"',
        '"5 "',
        '"NaN"',
        '"Infinity"',
        '"-inf"',
        '"0x10"',
        '"1_000"',
        '"1,5"',
        '"."',
        '"\\u0000"',
        '"5\\u0000"',
        'null',
        'true',
        '[5]',
        '{"a":5}',
        `"${'x'.repeat(60_000)}"`,
      ]
      await store.commit([
        put(key, '5', { time: 0 }),
        ...odd.map((json, i) => put(key, json, { time: i + 1 })),
        put(key, '6', { time: 900 }),
        remove(key, { time: 950 }),
      ])
      expect((await store.candles({ key, interval: minutes, limit: 10 })).candles.map(row)).toEqual([
        [0, '5', '6', '5', '6', 2],
      ])
      await store.commit([put(key, '"only text"', { time: DAY_MS })])
      expect((await allCandles(store, { key, interval: minutes, limit: 10 })).candles).toHaveLength(1)
    })

    // Legal values (a double rounds them to 0, or they are strings) that PostgreSQL's numeric cannot hold.
    test.each(['1e-20000', '"1e200000"', `"${'9'.repeat(60_000)}"`, `0.${'0'.repeat(20_000)}1`])(
      'are not broken by %.20s',
      async (json) => {
        const { store } = use
        const key = use.key()
        await store.commit([
          put(key, '5', { time: 0 }),
          put(key, json, { time: 1 }),
          put(key, '6', { time: 2 }),
          put(key, '7', { time: MINUTE_MS }),
        ])
        const { candles } = await store.candles({ key, interval: minutes, limit: 10 })
        expect(candles.map((c) => [c.time, c.open, c.close])).toEqual([
          [0, '5', '6'],
          [MINUTE_MS, '7', '7'],
        ])
      },
    )

    test('by days, months and years, also before 1970', async () => {
      const { store } = use
      const key = use.key()
      const points: [string, string][] = [
        ['1833-01-01', '18.93'],
        ['1833-02-01', '18.94'],
        ['1969-12-31', '35.0'],
        ['1970-01-01', '35.1'],
        ['1972-02-29', '48'],
        ['1972-03-01', '49'],
        ['2024-12-31', '2600'],
        ['2025-01-01', '2700'],
      ]
      await store.commit(points.map(([date, json]) => put(key, json, { time: day(date) })))
      await store.commit([put(key, '36', { time: day('1970-01-01') - 1 })])
      const months = await store.candles({ key, interval: { unit: 'month', count: 1 }, limit: 100 })
      expect(months.candles.map((c) => [c.time, c.open, c.close])).toEqual([
        [day('1833-01-01'), '18.93', '18.93'],
        [day('1833-02-01'), '18.94', '18.94'],
        [day('1969-12-01'), '35.0', '36'],
        [day('1970-01-01'), '35.1', '35.1'],
        [day('1972-02-01'), '48', '48'],
        [day('1972-03-01'), '49', '49'],
        [day('2024-12-01'), '2600', '2600'],
        [day('2025-01-01'), '2700', '2700'],
      ])
      const years = await store.candles({ key, interval: { unit: 'month', count: 12 }, limit: 100 })
      expect(years.candles.map(row)).toEqual([
        [day('1833-01-01'), '18.93', '18.94', '18.93', '18.94', 2],
        [day('1969-01-01'), '35.0', '36', '35.0', '36', 2],
        [day('1970-01-01'), '35.1', '35.1', '35.1', '35.1', 1],
        [day('1972-01-01'), '48', '49', '48', '49', 2],
        [day('2024-01-01'), '2600', '2600', '2600', '2600', 1],
        [day('2025-01-01'), '2700', '2700', '2700', '2700', 1],
      ])
      const days = await store.candles({
        key,
        interval: { unit: 'millisecond', count: DAY_MS },
        limit: 100,
        from: day('1969-12-31'),
        to: day('1972-03-01'),
      })
      expect(days.candles.map((c) => [c.time, c.count])).toEqual([
        [day('1969-12-31'), 2],
        [day('1970-01-01'), 1],
        [day('1972-02-29'), 1],
      ])
    })

    test('from and to bound the rows', async () => {
      const { store } = use
      const key = use.key()
      await store.commit([0, 10, 20, 30].map((second) => put(key, `${second}`, { time: second * 1_000 })))
      const { candles } = await store.candles({ key, interval: minutes, from: 10_000, to: 30_000, limit: 10 })
      expect(candles.map(row)).toEqual([[0, '10', '20', '10', '20', 2]])
      expect((await store.candles({ key, interval: minutes, from: 31_000, limit: 10 })).candles).toEqual([])
      expect((await store.candles({ key: `${key}x`, interval: minutes, limit: 10 })).candles).toEqual([])
    })

    test('in pages of any size are the same candles', async () => {
      const { store } = use
      const key = use.key()
      await store.commit(
        Array.from({ length: 60 }, (_, i) =>
          put(key, `${(i * 37) % 61}`, { time: (i * 13 * 7_000) % (20 * MINUTE_MS) }),
        ),
      )
      const whole = await allCandles(store, { key, interval: minutes, limit: 1_000 })
      expect(whole.candles.reduce((sum, c) => sum + c.count, 0)).toBe(60)
      for (const limit of [1, 3, whole.candles.length]) {
        expect((await allCandles(store, { key, interval: minutes, limit })).candles).toEqual(whole.candles)
      }
    })

    test('over more rows than one slice reads: buckets that span slices are whole', async () => {
      const { store } = use
      const key = use.key()
      const total = 45_000
      for (let from = 0; from < total; from += 5_000) {
        await store.commit(
          Array.from({ length: 5_000 }, (_, i) =>
            put(key, `${((from + i) * 7919) % total}`, { time: from + i }),
          ),
        )
      }
      for (const count of [7_000, 100_000]) {
        const expected: unknown[] = []
        for (let start = 0; start < total; start += count) {
          const values = Array.from(
            { length: Math.min(count, total - start) },
            (_, i) => ((start + i) * 7919) % total,
          )
          const highest = values.reduce((a, b) => Math.max(a, b))
          const lowest = values.reduce((a, b) => Math.min(a, b))
          expected.push([start, `${values[0]}`, `${highest}`, `${lowest}`, `${values.at(-1)}`, values.length])
        }
        const got = await allCandles(store, { key, interval: { unit: 'millisecond', count }, limit: 1_000 })
        expect(got.candles.map(row)).toEqual(expected)
        expect(got.slices).toBeGreaterThanOrEqual(3)
      }
    }, 60_000)
  })
}
