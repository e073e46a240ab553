import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../../server/test/support/test-app.ts'
import { clientsOfTests } from './support/clients.ts'
import { Seen } from './support/seen.ts'
import { Tap } from './support/tap.ts'

let app: TestApp
const connect = clientsOfTests()
beforeAll(async () => {
  app = await startTestApp()
})
afterAll(() => app.close())

function connectTapped() {
  const tap = new Tap()
  return { tap, client: connect(app.url, { json: tap }) }
}

test('equal selections and those within a watched prefix are one watch on the server', async () => {
  const { tap, client } = connectTapped()
  await client.putMany(['s/a', 's/b'].map((key) => ({ key, value: 1 })))
  const seen = [
    new Seen(client, { prefix: 's/' }),
    new Seen(client, { prefix: 's/' }),
    new Seen(client, { prefix: 's/a' }),
    new Seen(client, { keys: ['s/b', 's/c'] }),
    new Seen(client, { key: 's/a' }),
  ]
  const stop = client.value('s/c').subscribe(() => {})
  await expect.poll(() => seen.map(({ current }) => current)).toEqual([1, 1, 1, 1, 1])
  expect(tap.watchAnswers).toHaveLength(1)
  await client.putMany(['s/a', 's/b', 's/c', 't'].map((key) => ({ key, value: 2 })))
  await expect.poll(() => seen.map(({ all }) => Object.keys(all).length)).toEqual([3, 3, 1, 2, 1])
  await expect.poll(() => client.value('s/c').get()?.value).toBe(2)
  expect(seen[3]!.all).toEqual({ 's/b': 2, 's/c': 2 })
  expect(tap.takeKeys()).toEqual(['s/a', 's/b', 's/a', 's/b', 's/c'])
  stop()
})

test('one more looker is told the state without asking the server; ending one never ends another', async () => {
  const { tap, client } = connectTapped()
  await client.put('e/a', 1)
  const first = new Seen(client, { prefix: 'e/' })
  await expect.poll(() => first.current).toBe(1)
  const second = new Seen(client, { prefix: 'e/' })
  await expect.poll(() => second.story).toEqual(['!e/a=1', 'current'])
  first.stop()
  await client.put('e/a', 2)
  await expect.poll(() => second.all).toEqual({ 'e/a': 2 })
  expect(first.all).toEqual({ 'e/a': 1 })
  second.stop()
  await expect.poll(() => tap.unwatched).toBe(1)
  expect(tap.watchAnswers).toHaveLength(1)
})

test('when nobody asks for a prefix any more, what is left within it goes on by itself', async () => {
  const { tap, client } = connectTapped()
  await client.putMany(['p/a', 'p/b', 'p/c'].map((key) => ({ key, value: 1 })))
  const wide = new Seen(client, { prefix: 'p/' })
  const narrow = new Seen(client, { key: 'p/a' })
  const none = client.value('p/none')
  let nones = 0
  none.subscribe(() => nones++)
  await expect.poll(() => [narrow.current, none.get()]).toEqual([1, null])
  const entry = client.value('p/a').get()
  wide.stop()
  await expect.poll(() => tap.unwatched).toBe(1)
  expect(tap.watchAnswers).toHaveLength(3)
  await expect.poll(() => narrow.current).toBe(2)
  expect(client.value('p/a').get()).toBe(entry)
  expect(narrow.story).toEqual(['!p/a=1', 'current', 'current'])
  tap.takeKeys()
  await client.putMany(['p/a', 'p/b', 'p/none'].map((key) => ({ key, value: 2 })))
  await expect.poll(() => [narrow.all, none.get()?.value]).toEqual([{ 'p/a': 2 }, 2])
  expect(tap.takeKeys().toSorted()).toEqual(['p/a', 'p/none'])
  expect(narrow.problems).toEqual([])
  expect(nones).toBe(3)
})

test('a prefix within which very much is watched stays open for that', async () => {
  const { tap, client } = connectTapped()
  const wide = new Seen(client, { prefix: 'much/' })
  const many = Array.from({ length: 150 }, (_, i) => new Seen(client, { key: `much/${i}` }))
  await expect.poll(() => many.every(({ current }) => current === 1)).toBe(true)
  wide.stop()
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  expect([tap.watchAnswers.length, tap.unwatched]).toEqual([1, 0])
  for (const { stop } of many.slice(2)) stop()
  await expect.poll(() => [tap.watchAnswers.length, tap.unwatched]).toEqual([3, 1])
  await client.put('much/1', 'still watched')
  await expect.poll(() => many[1]!.all).toEqual({ 'much/1': 'still watched' })
})

test('a prefix that the server refuses takes nobody with it who asked for less', async () => {
  const { tap, client } = connectTapped()
  await client.put('long/a', 1)
  // Longer than a key can be: refused, and the key within it is no key either, while the other watch is fine.
  const prefix = `long/${'x'.repeat(600)}`
  const refused = new Seen(client, { prefix })
  const within = new Seen(client, { key: `${prefix}y` })
  const other = new Seen(client, { key: 'long/a' })
  await expect.poll(() => [refused, within].every(({ error }) => error?.status === 400)).toBe(true)
  expect(within.error!.message).not.toBe(refused.error!.message)
  await expect.poll(() => other.all).toEqual({ 'long/a': 1 })
  expect(tap.watchAnswers).toHaveLength(1)
  expect(client.state.name).toBe('live')
})

test('begun and ended within listeners, watches tell what they should', async () => {
  const { client } = connectTapped()
  await client.put('n/a', 1)
  const inner: Seen[] = []
  const stop = client.watch({ key: 'n/a' }, (event) => {
    if (event.type !== 'put') return
    inner.push(new Seen(client, { key: 'n/a' }))
    if (inner.length === 2) stop()
  })
  await expect.poll(() => inner[0]?.all).toEqual({ 'n/a': 1 })
  await client.put('n/a', 2)
  await client.put('n/a', 3)
  await expect.poll(() => inner.map(({ all }) => all)).toEqual([{ 'n/a': 3 }, { 'n/a': 3 }])
  expect(inner[1]!.story.slice(0, 2)).toEqual(['!n/a=2', 'current'])
})
