import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../../server/test/support/test-app.ts'
import type { EntryOf } from '../src/index.ts'
import { clientsOfTests } from './support/clients.ts'
import { MountedComponent } from './support/external-store.ts'
import { Tap } from './support/tap.ts'
import { uncaught } from './support/uncaught.ts'

let app: TestApp
const connect = clientsOfTests()
beforeAll(async () => {
  app = await startTestApp()
})
afterAll(() => app.close())

type Shown = EntryOf<number> | null | undefined

test('get: undefined while unknown, null without a value, else the same object until it changes', async () => {
  const client = connect(app.url)
  const value = client.value<number>('v')
  expect(value.get()).toBeUndefined()
  const told: Shown[] = []
  const stop = value.subscribe((entry) => told.push(entry))
  expect(told).toEqual([undefined])
  await expect.poll(() => value.get()).toBeNull()
  const { revision } = await client.put('v', 1)
  await expect.poll(() => value.get()).toMatchObject({ key: 'v', value: 1, revision })
  const entry = value.get()
  await client.put('another', 1)
  expect(value.get()).toBe(entry)
  await client.put('v', 2)
  await expect.poll(() => value.get()?.value).toBe(2)
  await client.delete('v')
  await expect.poll(() => value.get()).toBeNull()
  stop()
  expect(told.map((entry) => (entry ? entry.value : entry))).toEqual([undefined, null, 1, 2, null])
  expect(told[2]).toBe(entry)
  expect(Object.isFrozen(entry)).toBe(true)
})

test('the same key gives the same value, also while only its subscription is held on to', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const client = connect(app.url)
  expect(client.value('same')).toBe(client.value('same'))
  expect(client.value('same')).not.toBe(client.value('other'))
  let shown: Shown
  // As a component does that takes the two functions out of it.
  const subscribe = () => client.value<number>('held').subscribe((entry) => (shown = entry))
  const identity = new WeakRef(client.value('held'))
  const stop = subscribe()
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setTimeout(resolve))
    collect()
  }
  expect(client.value('held')).toBe(identity.deref())
  await client.put('held', 5)
  await expect.poll(() => shown?.value).toBe(5)
  stop()
})

describe('React’s useSyncExternalStore', () => {
  test.each([false, true])('is satisfied (strict mode: %s)', async (strict) => {
    const client = connect(app.url)
    const key = `react ${strict}`
    await client.put(key, 1)
    const component = new MountedComponent(client.value(key), strict)
    await expect.poll(() => component.shown).toMatchObject({ value: 1 })
    await client.put(key, 2)
    await expect.poll(() => component.shown).toMatchObject({ value: 2 })
    component.unmount()
    await client.put(key, 3)
    const another = new MountedComponent(client.value(key), strict)
    await expect.poll(() => another.shown).toMatchObject({ value: 3 })
    expect(component.shown).toMatchObject({ value: 2 })
    expect([...component.complaints, ...another.complaints]).toEqual([])
  })

  test('a component that is mounted anew shows at once what is known', async () => {
    const client = connect(app.url)
    await client.put('remount', 1)
    const first = new MountedComponent(client.value('remount'))
    await expect.poll(() => first.shown).toMatchObject({ value: 1 })
    first.unmount()
    const second = new MountedComponent(client.value('remount'))
    expect(second.rendered).toEqual([first.shown])
    second.unmount()
  })
})

describe('as a Svelte store', () => {
  test('subscribe calls at once, each subscriber by itself, and not after its end', async () => {
    const client = connect(app.url)
    await client.put('svelte', 1)
    const told: Record<string, unknown[]> = { a: [], b: [] }
    const stopA = client.value('svelte').subscribe((entry) => told.a!.push(entry?.value))
    await expect.poll(() => told.a).toEqual([undefined, 1])
    const stopB = client.value('svelte').subscribe((entry) => told.b!.push(entry?.value))
    expect(told.b).toEqual([1])
    stopA()
    await client.put('svelte', 2)
    await expect.poll(() => told.b).toEqual([1, 2])
    stopB()
    stopB()
    expect(told.a).toEqual([undefined, 1])
  })

  test('one that throws, or ends another, disturbs no other', async () => {
    const client = connect(app.url)
    const caught = uncaught()
    const value = client.value<number>('disturbed')
    const told: unknown[] = []
    const endedByOther: unknown[] = []
    value.subscribe(() => {
      throw new Error('from a subscriber')
    })
    value.subscribe((entry) => {
      if (entry?.value === 1) stopOther()
    })
    const stopOther = value.subscribe((entry) => endedByOther.push(entry?.value))
    value.subscribe((entry) => told.push(entry?.value))
    await client.put('disturbed', 1)
    await client.put('disturbed', 2)
    await expect.poll(() => told.at(-1)).toBe(2)
    expect(endedByOther).not.toContain(1)
    expect(new Set(caught.messages)).toEqual(new Set(['from a subscriber']))
    caught.stop()
  })
})

test('what the server refuses is the value’s error, told to its subscribers', async () => {
  const client = connect(app.url)
  const value = client.value('bad\u0000')
  let calls = 0
  const stop = value.subscribe(() => calls++)
  await expect.poll(() => value.error).toMatchObject({ code: 'INVALID_KEY' })
  expect([value.get(), calls]).toEqual([undefined, 2])
  stop()
  value.subscribe(() => {})()
  expect(value.error).toBeUndefined()
})

test('mounted, unmounted and mounted again, in one tick or after, it is one watch on the server', async () => {
  const tap = new Tap()
  const client = connect(app.url, { json: tap })
  await client.put('flicker', 1)
  const value = client.value('flicker')
  const told: unknown[] = []
  value.subscribe(() => {})()
  let stop = value.subscribe((entry) => told.push(entry?.value))
  await expect.poll(() => told).toEqual([undefined, 1])
  stop()
  await new Promise((resolve) => setTimeout(resolve, 100))
  stop = value.subscribe((entry) => told.push(entry?.value))
  expect(told).toEqual([undefined, 1, 1])
  await client.put('flicker', 2)
  await expect.poll(() => told).toEqual([undefined, 1, 1, 2])
  expect([tap.watchAnswers.length, tap.unwatched]).toEqual([1, 0])
  stop()
  await expect.poll(() => tap.unwatched).toBe(1)
  expect(value.get()).toBeUndefined()
})
