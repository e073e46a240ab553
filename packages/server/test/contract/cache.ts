/** What any cache does, whatever it is made of. */
import { afterEach, describe, expect, test } from 'vitest'
import type { Cache, CachedItem } from '../../src/cache/cache.ts'

export interface CacheContractOptions {
  /** An empty one. */
  open(): Promise<Cache>
}

export function present(
  key: string,
  json: string,
  asOf: number,
  expiresAt: number | null = null,
): CachedItem {
  const entry = { key, json, revision: asOf, at: 1_700_000_000_123, time: -4_322_678_400_000, expiresAt }
  return { key, entry, revision: asOf, asOf }
}

export function absent(key: string, revision: number, asOf: number): CachedItem {
  return { key, entry: null, revision, asOf }
}

export function cacheContract(name: string, { open }: CacheContractOptions): void {
  describe(`the cache contract: ${name}`, () => {
    const opened: Cache[] = []
    const openOne = async () => {
      const cache = await open()
      opened.push(cache)
      return cache
    }
    afterEach(async () => {
      for (const cache of opened.splice(0)) await cache.close()
    })
    const held = async (cache: Cache, ...keys: string[]) => Object.fromEntries(await cache.get(keys))
    /** What is set may need a moment to be there. */
    const settled = (cache: Cache, ...items: CachedItem[]) =>
      expect
        .poll(() => held(cache, ...items.map(({ key }) => key)))
        .toEqual(Object.fromEntries(items.map((item) => [item.key, item])))

    test('works when it was just opened, and holds nothing', async () => {
      const cache = await openOne()
      expect(cache.problem).toBeNull()
      expect(await held(cache, 'a', 'b')).toEqual({})
      expect(await held(cache)).toEqual({})
    })

    test('gives back what was set, to the letter, and no other key', async () => {
      const cache = await openOne()
      const json = '{"b":1.10,"a":12345678901234567890,"n":"\\u00e9 é 😀","s":" x\\n ","z":[]}'
      const items = [
        present('gold.sjc.buy', json, 7),
        present('expires', '1', 8, 1_800_000_000_500),
        present('with space', '"- 1 2 "', 9),
        present('vàng/😀', `"${'x'.repeat(70_000)}"`, 10),
        absent('gone', 11, 11),
        absent('never', 0, 2 ** 53 - 1),
      ]
      cache.set(items)
      await settled(cache, ...items)
      expect(await held(cache, 'gold.sjc', 'Expires', 'gone')).toEqual({ gone: items[4] })
    })

    test('an item of a lower asOf does not replace one of a higher; one of the same or a higher does', async () => {
      const cache = await openOne()
      cache.set([present('a', '"new"', 20), absent('b', 3, 20)])
      await settled(cache, present('a', '"new"', 20), absent('b', 3, 20))
      cache.set([present('a', '"old"', 9), present('b', '"old"', 19), present('end', '1', 1)])
      await settled(cache, present('a', '"new"', 20), absent('b', 3, 20), present('end', '1', 1))
      cache.set([{ ...present('a', '"new"', 20), asOf: 100 }, present('b', '"newer"', 101)])
      await settled(cache, { ...present('a', '"new"', 20), asOf: 100 }, present('b', '"newer"', 101))
      cache.set([absent('a', 100, 100), present('end', '2', 2)])
      await settled(cache, absent('a', 100, 100), present('end', '2', 2))
    })

    test('of several items of a key in one call, and in one turn, the highest asOf stays', async () => {
      const cache = await openOne()
      cache.set([present('a', '1', 1), present('a', '3', 3), present('a', '2', 2)])
      cache.set([present('a', '5', 5)])
      cache.set([present('a', '4', 4)])
      await settled(cache, present('a', '5', 5))
    })

    test('many keys at once', async () => {
      const cache = await openOne()
      const items = Array.from({ length: 1_234 }, (_, at) => present(`key ${at}`, `"${at}"`, at + 1))
      cache.set(items)
      await settled(cache, ...items)
      const gets = await Promise.all(items.map(({ key }) => cache.get([key])))
      expect(gets.map((found) => [...found.values()])).toEqual(items.map((item) => [item]))
    })
  })
}
