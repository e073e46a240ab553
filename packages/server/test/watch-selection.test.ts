import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { KeySelection, PrefixSelection } from '../src/live/selection.ts'
import { useLiveApp } from './support/live-app.ts'

const live = useLiveApp()

describe('a prefix', () => {
  test('is a plain string: it matches within words, and nothing in it is special', async () => {
    const client = await live.connect()
    const prefixes = ['gold', 'go_d', 'go%', 'gold.', 'Gold', 'gold.*', 'gold/x/', 'a"b\\c', ' ']
    const watches = await Promise.all(prefixes.map((prefix, n) => client.watch({ watch: `${n}`, prefix })))
    const keys = [
      'gold',
      'golden',
      'gol',
      'go_d/1',
      'go%',
      'gold.sjc',
      'Gold',
      'gold.*',
      'gold/x',
      'gold/x/y',
      'a"b\\c"',
      ' b',
    ]
    const last = await live.putMany(keys.map((key) => [key, 1]))
    const all = await client.watch({ watch: 'all', prefix: '' })
    await expect.poll(() => all.snapshots).toBe(1)
    await expect.poll(() => watches[8]!.shown.get(' b')?.revision).toBe(last)
    const matching = prefixes.map((prefix) => keys.filter((key) => key.startsWith(prefix)).sort())
    expect(watches.map(({ values }) => Object.keys(values))).toEqual(matching)
    // From the store as well as from the feed.
    const later = await Promise.all(prefixes.map((prefix, n) => client.watch({ watch: `l${n}`, prefix })))
    await expect.poll(() => later.every(({ snapshots }) => snapshots === 1)).toBe(true)
    expect(later.map(({ values }) => Object.keys(values))).toEqual(matching)
  })

  /** In the order of their bytes, which is not that of UTF-16: 😀 comes last. */
  const LETTERS = ['a', 'z', '\u00e9', '\u07ff', '\u0800', '\ud7ff', '\ue000', '\uffff', '😀', '\u{10ffff}']

  test('in characters of one to four bytes, page by page while all of it is written', async () => {
    const keys = LETTERS.flatMap((a) =>
      LETTERS.flatMap((b) => ['', 'x', '😀', '\ufffd'].map((c) => `p/${a}${b}${c}`)),
    )
    await live.putMany(keys.map((key) => [key, 'first']))
    let writing = true
    let last = 0
    const writes = (async () => {
      for (let n = 0; writing; n++)
        last = await live.putMany(keys.map((key, at) => [key, at % 5 === n % 5 ? n : 'same']))
    })()
    for (const prefix of ['p/', 'p/😀', 'p/\uffff', 'p/\ud7ff', 'p/\u{10ffff}', 'p/a']) {
      const client = await live.connect()
      const watch = await client.watch({ watch: 'w', prefix })
      const seen: string[] = []
      client.socket.on('snapshot', ({ entries }) => seen.push(...entries.map(({ key }) => key)))
      await expect.poll(() => watch.snapshots).toBe(1)
      const matching = keys.filter((key) => key.startsWith(prefix))
      expect([...watch.shown.keys()].sort()).toEqual(matching.sort())
      expect(seen).toEqual(seen.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))))
    }
    writing = false
    await writes
    const client = await live.connect()
    const watch = await client.watch({ watch: 'w', prefix: 'p/' })
    await expect.poll(() => watch.snapshots).toBe(1)
    expect(Math.max(...[...watch.shown.values()].map(({ revision }) => revision))).toBe(last)
  })

  test('the order of a snapshot is that of the bytes of UTF-8', () => {
    const selection = new PrefixSelection('')
    const text = fc.array(fc.constantFrom(...LETTERS), { maxLength: 4 }).map((letters) => letters.join(''))
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(selection.isBehind(a, b)).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)) > 0)
      }),
      { numRuns: 2_000 },
    )
  })
})

test('keys are a set', () => {
  const selection = new KeySelection(['b', 'a', '😀', '\uffff', 'b'])
  expect(selection.keys).toHaveLength(4)
  for (const [at, key] of selection.keys.entries()) {
    expect(selection.keys.filter((other) => selection.isBehind(other, key))).toEqual(
      selection.keys.slice(at + 1),
    )
  }
  expect(selection.identity).toBe(new KeySelection(['\uffff', '😀', 'a', 'b']).identity)
  expect(selection.identity).not.toBe(new KeySelection(['a', 'b']).identity)
})

test('keys in many pages, while they are written', async () => {
  const keys = Array.from({ length: 1_500 }, (_, n) => `k/${n}`)
  await live.putMany(keys.filter((_, n) => n % 3 > 0).map((key) => [key, 'first']))
  let writing = true
  const writes = (async () => {
    for (let n = 0; writing; n++) {
      await live.putMany(keys.filter((_, at) => at % 7 === n % 7).map((key) => [key, n]))
      await live.remove(keys[(n * 13) % keys.length]!)
    }
  })()
  const client = await live.connect()
  const watches = await Promise.all(['1', '2', '3'].map((watch) => client.watch({ watch, keys })))
  await expect.poll(() => watches.map(({ snapshots }) => snapshots)).toEqual([1, 1, 1])
  writing = false
  await writes
  const { json } = await live.call('GET', '/api/v1/entries?prefix=k/&limit=1000')
  const rest = await live.call('GET', `/api/v1/entries?prefix=k/&limit=1000&cursor=${json.next}`)
  const values = Object.fromEntries(
    [...json.entries, ...rest.json.entries].map(({ key, value }) => [key, value]),
  )
  await expect.poll(() => watches.map((watch) => watch.values)).toEqual([values, values, values])
})
