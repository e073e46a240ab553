import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../../server/test/support/test-app.ts'
import type { LiveKVError, Selection, WatchChange } from '../src/index.ts'
import { clientsOfTests } from './support/clients.ts'
import { errorOf } from './support/error-of.ts'
import { Seen } from './support/seen.ts'
import { Tap } from './support/tap.ts'
import { uncaught } from './support/uncaught.ts'

let app: TestApp
const connect = clientsOfTests()
beforeAll(async () => {
  app = await startTestApp()
})
afterAll(() => app.close())

describe('with a callback', () => {
  test('keys, a prefix, everything: the present state, `current`, then each change', async () => {
    const client = connect(app.url)
    await client.putMany(['w/gold', 'w/golden', 'x'].map((key) => ({ key, value: 1 })))
    const one = new Seen(client, { key: 'w/gold' })
    const two = new Seen(client, { keys: ['w/none', 'w/gold', 'w/none'] })
    const prefix = new Seen(client, { prefix: 'w/gold' })
    const all = new Seen(client, { all: true })
    const seen = [one, two, prefix, all]
    expect(one.events).toEqual([])
    await expect.poll(() => seen.map(({ current }) => current)).toEqual([1, 1, 1, 1])
    expect(one.story).toEqual(['!w/gold=1', 'current'])
    expect(prefix.all).toEqual({ 'w/gold': 1, 'w/golden': 1 })
    expect(all.all).toMatchObject({ 'w/gold': 1, 'w/golden': 1, x: 1 })

    await client.put('w/none', null)
    await client.delete('w/golden')
    const { revision } = await client.put('w/gold', { a: [1.5] })
    await expect.poll(() => all.story.at(-1)).toBe('w/gold={"a":[1.5]}')
    await expect.poll(() => two.story).toEqual(['!w/gold=1', 'current', 'w/none=null', 'w/gold={"a":[1.5]}'])
    expect(prefix.all).toEqual({ 'w/gold': { a: [1.5] } })
    expect(one.events.at(-1)).toEqual({
      type: 'put',
      key: 'w/gold',
      value: { a: [1.5] },
      revision,
      updatedAt: expect.stringMatching(/Z$/),
      time: expect.stringMatching(/Z$/),
      initial: false,
    })
    expect(seen.flatMap(({ problems }) => problems)).toEqual([])
    expect(seen.map(({ state }) => state)).toEqual(['live', 'live', 'live', 'live'])
  })

  test('an expiry is a delete', async () => {
    const client = connect(app.url)
    const seen = new Seen(client, { key: 'short' })
    await client.put('short', 1, { ttlMs: 50 })
    await expect.poll(() => seen.story.at(-1)).toBe('short-')
    expect(seen.events.at(-1)).toMatchObject({
      type: 'delete',
      value: undefined,
      updatedAt: expect.any(String),
    })
  })

  test('ends when it is told to, also within its listener, and twice does no harm', async () => {
    const client = connect(app.url)
    const values: unknown[] = []
    const stop = client.watch({ key: 'ends' }, (event) => {
      if (event.type !== 'put') return
      values.push(event.value)
      stop()
    })
    const other = new Seen(client, { key: 'ends' })
    await client.put('ends', 1)
    await client.put('ends', 2)
    await expect.poll(() => other.values.get('ends')).toBe(2)
    stop()
    expect(values).toEqual([1])
  })

  test('one ended before its first event is told nothing', async () => {
    const client = connect(app.url)
    await client.put('nothing', 1)
    const seen = new Seen(client, { key: 'nothing' })
    seen.stop()
    const other = new Seen(client, { key: 'nothing' })
    await expect.poll(() => other.current).toBe(1)
    expect(seen.events).toEqual([])
  })

  test('a listener that throws is reported and disturbs no other', async () => {
    const client = connect(app.url)
    const caught = uncaught()
    client.watch({ prefix: 'thr' }, (event) => {
      if (event.type === 'put') throw new Error(`from the listener: ${event.value}`)
    })
    const other = new Seen(client, { prefix: 'thr' })
    await client.put('throws', 1)
    await client.put('throws', 2)
    await expect.poll(() => other.values.get('throws')).toBe(2)
    await expect.poll(() => caught.messages).toEqual(['from the listener: 1', 'from the listener: 2'])
    caught.stop()
  })

  test.each([undefined, 'gold', {}, { keys: [] }, { keys: [1] }, { all: false }, { prefix: 7 }])(
    '%j is no selection',
    (selection) => {
      const client = connect(app.url)
      expect(() => client.watch(selection as unknown as Selection, () => {})).toThrow(
        expect.objectContaining({ code: 'INVALID_REQUEST' } satisfies Partial<LiveKVError>),
      )
    },
  )

  test('what the server refuses is told as an error, and nothing after it', async () => {
    const client = connect(app.url)
    const seen = new Seen(client, { keys: ['fine', 'bad\u0000'] })
    await expect.poll(() => seen.error).toMatchObject({ code: 'INVALID_KEY', status: 400 })
    expect(client.state.name).toBe('live')
    await client.put('fine', 1)
    expect(seen.problems).toEqual([])
    expect(seen.values.size).toBe(0)
  })

  test('a list of keys too long for one request is one watch all the same', async () => {
    const client = connect(app.url)
    const long = Array.from({ length: 1_500 }, (_, i) => `long/${'k'.repeat(300)}/${i}`)
    await client.putMany(long.map((key, value) => ({ key, value })))
    const first = new Seen(client, { keys: long })
    await expect.poll(() => first.current).toBe(1)
    expect(first.values.size).toBe(1_500)
    // All parts of it are there already: `current` comes after the last of them.
    const second = new Seen(client, { keys: long })
    await expect.poll(() => second.current).toBe(1)
    expect(second.story.indexOf('current')).toBe(1_500)
    await client.put(long[1_499]!, 'last')
    await expect.poll(() => second.values.get(long[1_499]!)).toBe('last')
  })
})

describe('as a loop', () => {
  test('gives the present state and each change; break ends the watch', async () => {
    const tap = new Tap()
    const client = connect(app.url, { json: tap })
    await client.put('loop', 0)
    const values: unknown[] = []
    for await (const change of client.watch<number>({ key: 'loop' })) {
      values.push(change.type === 'put' ? change.value : change.type)
      if (values.length === 1) await client.put('loop', 1)
      else if (values.length === 2) await client.delete('loop')
      else break
    }
    expect(values).toEqual([0, 1, 'delete'])
    await expect.poll(() => tap.unwatched).toBe(1)
  })

  test('a slow loop gets the latest of each key, and every key', async () => {
    const client = connect(app.url)
    const last = new Map<string, unknown>()
    let got = 0
    await client.putMany([1, 2, 3].map((i) => ({ key: `slow/${i}`, value: -1 })))
    for await (const { key, value } of client.watch<number>({ prefix: 'slow/' })) {
      if (++got === 1) {
        const seen = new Seen(client, { prefix: 'slow/' })
        for (let i = 0; i < 50; i++)
          await client.putMany([1, 2, 3].map((n) => ({ key: `slow/${n}`, value: i })))
        await expect.poll(() => [...seen.values.values()]).toEqual([49, 49, 49])
      }
      last.set(key, value)
      if ([...last.values()].filter((value) => value === 49).length === 3) break
    }
    expect(last.size).toBe(3)
    expect(got).toBeLessThanOrEqual(4)
  })

  test('what the server refuses is thrown into it', async () => {
    const client = connect(app.url)
    const loop = async () => {
      for await (const _ of client.watch({ key: '\u0000' })) throw new Error('nothing is shown')
    }
    expect(await errorOf(loop())).toMatchObject({ code: 'INVALID_KEY' })
  })

  test('it ends with the client, and an error in it ends the watch', async () => {
    const client = connect(app.url)
    await client.put('close', 1)
    const seen: WatchChange[] = []
    for await (const change of client.watch({ key: 'close' })) {
      seen.push(change)
      client.close()
    }
    expect(seen).toHaveLength(1)
    const again = async () => {
      for await (const _ of client.watch({ key: 'close' })) throw new Error('nothing is shown')
    }
    expect(await errorOf(again())).toMatchObject({ code: 'CLIENT_CLOSED' })
  })
})
