import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../../server/test/support/test-app.ts'
import { clientsOfTests } from './support/clients.ts'
import { Front } from './support/front.ts'
import { Seen } from './support/seen.ts'

let first: TestApp
let second: TestApp
const connect = clientsOfTests()
beforeAll(async () => {
  first = await startTestApp()
  second = await startTestApp()
})
afterAll(async () => {
  await first.close()
  await second.close()
})

test('where WebSockets do not pass, polling does', async () => {
  const front = await Front.start(second.url, { webSockets: false })
  const client = connect(front.url)
  await client.put('polled', 1)
  const seen = new Seen(client, { key: 'polled' })
  await expect.poll(() => seen.all).toEqual({ polled: 1 })
  await client.put('polled', 2)
  await expect.poll(() => seen.all).toEqual({ polled: 2 })
  expect([seen.state, seen.problems]).toEqual(['live', []])
  front.close()
})

test('when its instance goes away the client moves to another one without being offline', async () => {
  const front = await Front.start(first.url)
  const client = connect(front.url)
  const states: string[] = []
  client.onState(({ name }) => states.push(name))
  const seen = new Seen(client, { key: 'moved' })
  await client.put('moved', 'on the first')
  await expect.poll(() => seen.all).toEqual({ moved: 'on the first' })
  front.sendTo(second.url)
  const closed = first.app.close()
  // Refused by the one that stops, or sent when there is no link: taken by the other.
  const written = client.put('moved', 'on the second')
  await closed
  await written
  await expect.poll(() => seen.all).toEqual({ moved: 'on the second' })
  await expect.poll(() => client.state.name).toBe('live')
  // It has a store of its own here, which is told.
  expect(seen.resets).toBe(1)
  expect(states).not.toContain('offline')
  expect(states).toContain('catching-up')
  front.close()
})

test('when no other one takes over it says so, and since when', async () => {
  const front = await Front.start(second.url)
  const client = connect(front.url)
  await expect.poll(() => client.state.name).toBe('live')
  const before = Date.now()
  await second.app.close()
  const after = Date.now()
  await expect.poll(() => client.state.name).toBe('offline')
  expect(client.state.since).toBeGreaterThan(before - 5_000)
  expect(client.state.since).toBeLessThanOrEqual(after)
  front.close()
})
