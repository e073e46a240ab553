import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { TcpProxy } from '../../server/test/services/tcp-proxy.ts'
import { startTestApp, type TestApp } from '../../server/test/support/test-app.ts'
import type { ConnectionState } from '../src/index.ts'
import { clientsOfTests } from './support/clients.ts'
import { Seen } from './support/seen.ts'

let app: TestApp
let proxy: TcpProxy
const connect = clientsOfTests()
beforeAll(async () => {
  app = await startTestApp()
})
afterAll(() => app.close())
beforeEach(async () => {
  proxy = await TcpProxy.start({ port: app.port })
})
afterEach(() => proxy.close())

test('catching-up, then live; a new watch makes it catching-up until it is current', async () => {
  const client = connect(app.url)
  const states: ConnectionState[] = []
  const stop = client.onState((state) => states.push(state))
  expect(states).toEqual([client.state])
  await expect.poll(() => client.state.name).toBe('live')
  const seen = new Seen(client, { key: 'new' })
  expect(client.state.name).toBe('catching-up')
  await expect.poll(() => seen.current).toBe(1)
  expect(client.state.name).toBe('live')
  expect(states.map(({ name }) => name)).toEqual(['catching-up', 'live', 'catching-up', 'live'])
  expect(states.map(({ since }) => since)).toEqual(states.map(({ since }) => since).toSorted((a, b) => a - b))
  expect(seen.states.map(({ name }) => name)).toEqual(['catching-up', 'live'])
  stop()
  client.close()
  expect(client.state).toMatchObject({ name: 'offline', reason: 'the client was closed' })
  expect(states).toHaveLength(4)
})

test('every listener is told the state that there is, whatever another one does', async () => {
  const client = connect(app.url)
  const told: string[] = []
  let begun = 0
  client.onState(({ name }) => {
    // Begins a watch that is not current: that changes the state while it is being told.
    if (name === 'live' && begun < 3) client.watch({ key: `begun ${begun++}` }, () => {})
  })
  client.onState(({ name }) => told.push(`${name}, and it is ${client.state.name}`))
  const seen = new Seen(client, { key: 'a' })
  await expect.poll(() => [begun, client.state.name]).toEqual([3, 'live'])
  expect(new Set(told)).toEqual(new Set(['catching-up', 'live'].map((name) => `${name}, and it is ${name}`)))
  expect(seen.state).toBe('live')
})

describe('a dead link', () => {
  test('is known within 10 s, told to every watcher, with the time when the server was last heard', async () => {
    const client = connect(proxy.through(app.url))
    const watchers = [new Seen(client, { key: 'dead' }), new Seen(client, { prefix: 'de' })]
    await expect.poll(() => watchers.map(({ state }) => state)).toEqual(['live', 'live'])
    const deadAt = Date.now()
    proxy.blackHole()
    let healed = false
    const heal = setTimeout(() => {
      healed = true
      proxy.heal()
    }, 12_000)
    await expect.poll(() => client.state.name, { interval: 20 }).toBe('offline')
    expect(healed).toBe(false)
    expect(client.state.reason).toBe('the server does not answer')
    // It says something every three seconds, and nothing after that.
    expect(client.state.since).toBeGreaterThan(deadAt - 10_000)
    expect(client.state.since).toBeLessThanOrEqual(deadAt + 2_000)
    expect(watchers.map(({ states }) => states.at(-1))).toEqual([client.state, client.state])
    clearTimeout(heal)
    proxy.heal()
    await app.call('PUT', '/api/v1/entries?key=dead', { value: 1 })
    await expect.poll(() => watchers.map(({ all }) => all)).toEqual(Array(2).fill({ dead: 1 }))
    await expect.poll(() => client.state.name).toBe('live')
  })

  test('a link that comes back in time is not given up', async () => {
    const client = connect(proxy.through(app.url))
    const seen = new Seen(client, { key: 'slow' })
    await expect.poll(() => seen.state).toBe('live')
    proxy.stall('toClient')
    await new Promise((resolve) => setTimeout(resolve, 6_000))
    proxy.heal()
    await app.call('PUT', '/api/v1/entries?key=slow', { value: 1 })
    await expect.poll(() => seen.all).toEqual({ slow: 1 })
    expect(seen.states.map(({ name }) => name)).toEqual(['catching-up', 'live'])
  })
})
