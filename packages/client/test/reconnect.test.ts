import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { TcpProxy } from '../../server/test/services/tcp-proxy.ts'
import { backoffMs } from '../src/backoff.ts'
import { clientsOfTests } from './support/clients.ts'
import { RestartableApp } from './support/restartable-app.ts'
import { Seen } from './support/seen.ts'
import { Tap } from './support/tap.ts'

let app: RestartableApp
let proxy: TcpProxy
const connect = clientsOfTests()
beforeAll(async () => {
  app = await RestartableApp.start()
})
afterAll(() => app.remove())
beforeEach(async () => {
  proxy = await TcpProxy.start({ port: app.port })
})
afterEach(() => proxy.close())

function connectTapped() {
  const tap = new Tap()
  return { tap, client: connect(proxy.through(app.url), { json: tap }) }
}

describe('after a cut', () => {
  test('a watch goes on from its cursor: only what changed meanwhile is sent', async () => {
    const { tap, client } = connectTapped()
    for (const key of ['c/a', 'c/b', 'c/c']) await app.put(key, 0)
    const seen = new Seen(client, { prefix: 'c/' })
    const value = client.value('c/b')
    value.subscribe(() => {})
    await expect.poll(() => seen.current).toBe(1)
    const entry = value.get()
    tap.takeKeys()
    await proxy.refuse()
    await expect.poll(() => client.state.name).toBe('offline')
    expect(value.get()).toBe(entry)
    for (const i of [1, 2, 3]) await app.put('c/a', i)
    await app.delete('c/c')
    await proxy.listen()
    await expect.poll(() => seen.current).toBe(2)
    expect(seen.all).toEqual({ 'c/a': 3, 'c/b': 0 })
    expect(seen.events.find(({ type }) => type === 'delete')).toMatchObject({
      key: 'c/c',
      updatedAt: expect.any(String),
    })
    expect(tap.takeKeys().toSorted()).toEqual(['c/a', 'c/c'])
    expect(tap.watchAnswers.at(-1)).toMatchObject({ reset: false, resumed: true })
    expect(value.get()).toBe(entry)
    expect([seen.resets, seen.problems, client.state.name]).toEqual([0, [], 'live'])
  })

  test('again and again, while values change: never backwards, nothing missing, every watcher at the last value', async () => {
    const { client } = connectTapped()
    const keys = Array.from({ length: 20 }, (_, i) => `again/${i}`)
    const seen = [
      new Seen(client, { prefix: 'again/' }),
      new Seen(client, { keys }),
      new Seen(client, { key: keys[0]! }),
    ]
    let counter = 0
    for (let cuts = 0; cuts < 8; cuts++) {
      for (let i = 0; i < 10; i++) await app.put(keys[counter % 20]!, ++counter)
      if (cuts % 2 === 0) await expect.poll(() => client.state.name).toBe('live')
      proxy.cut()
    }
    await app.put(keys[0]!, 'last')
    await expect.poll(() => seen.map(({ values }) => values.get(keys[0]!))).toEqual(Array(3).fill('last'))
    await expect.poll(() => client.state.name).toBe('live')
    expect(seen[0]!.all).toEqual(seen[1]!.all)
    expect(seen[0]!.values.size).toBe(20)
    expect(seen.map(({ problems, resets }) => [problems, resets])).toEqual(Array(3).fill([[], 0]))
  })

  test('a watch begun while away begins on connecting, one ended while away does not come back', async () => {
    const { tap, client } = connectTapped()
    const ended = new Seen(client, { key: 'ended' })
    await expect.poll(() => ended.current).toBe(1)
    await proxy.refuse()
    await expect.poll(() => client.state.name).toBe('offline')
    ended.stop()
    const begun = new Seen(client, { key: 'begun' })
    await app.put('begun', 1)
    await proxy.listen()
    await expect.poll(() => begun.all).toEqual({ begun: 1 })
    expect(tap.watchAnswers).toHaveLength(2)
    expect([...new Set(begun.states.map(({ name }) => name))]).toEqual(['offline', 'catching-up', 'live'])
  })

  test('a client made while the server is not there finds it when it is', async () => {
    await proxy.refuse()
    const { client } = connectTapped()
    const seen = new Seen(client, { key: 'first' })
    expect(client.state.name).toBe('catching-up')
    await expect.poll(() => client.state).toMatchObject({ name: 'offline', reason: expect.any(String) })
    await app.put('first', 1)
    await proxy.listen()
    await expect.poll(() => seen.all).toEqual({ first: 1 })
  })
})

describe('after the server was stopped and started', () => {
  test('a watch goes on; what was deleted while away is told as a delete', async () => {
    const { tap, client } = connectTapped()
    for (const key of ['r/a', 'r/b']) await app.put(key, 0)
    const seen = new Seen(client, { prefix: 'r/' })
    const loop: string[] = []
    void (async () => {
      for await (const { type, key } of client.watch({ prefix: 'r/' })) loop.push(`${type} ${key}`)
    })()
    await expect.poll(() => seen.current).toBe(1)
    await proxy.refuse()
    await app.stop()
    await app.start()
    await app.delete('r/a')
    await app.put('r/c', 1)
    await proxy.listen()
    await expect.poll(() => seen.current).toBe(2)
    expect(seen.all).toEqual({ 'r/b': 0, 'r/c': 1 })
    expect(seen.story).toContain('r/a-')
    expect([seen.resets, seen.problems]).toEqual([0, []])
    expect(tap.watchAnswers.at(-1)).toMatchObject({ reset: false, resumed: true })
    await expect.poll(() => loop.toSorted()).toEqual(['delete r/a', 'put r/a', 'put r/b', 'put r/c'])
  })

  test('on another store: a reset, then the state of that one, and nothing of the old', async () => {
    const { client } = connectTapped()
    for (let i = 0; i < 5; i++) await app.put('o/a', i)
    await app.put('o/gone', 1)
    const wide = new Seen(client, { prefix: 'o/' })
    const narrow = new Seen(client, { keys: ['o/a', 'o/gone'] })
    const value = client.value('o/gone')
    value.subscribe(() => {})
    await expect.poll(() => [wide.current, narrow.current]).toEqual([1, 1])
    await app.stop()
    await app.start('another store')
    await expect.poll(() => [wide.current, narrow.current]).toEqual([2, 2])
    for (const seen of [wide, narrow]) {
      expect(seen.story.slice(seen.story.indexOf('reset'))).toEqual(['reset', 'o/a-', 'o/gone-', 'current'])
      expect([seen.resets, seen.problems, seen.all]).toEqual([1, [], {}])
    }
    expect(value.get()).toBeNull()
    await app.put('o/a', 'new')
    await expect.poll(() => [wide.all, narrow.all]).toEqual(Array(2).fill({ 'o/a': 'new' }))
    expect(wide.events.at(-1)).toMatchObject({ revision: 1 })
    expect([...wide.problems, ...narrow.problems]).toEqual([])
  })
})

describe('the wait before the next try', () => {
  test('is random, doubles, and ends at a limit', () => {
    for (let failures = 0; failures < 2_000; failures += failures < 10 ? 1 : 500) {
      const limitMs = Math.min(5_000, 250 * 2 ** failures)
      const waits = Array.from({ length: 200 }, () => backoffMs(failures, 250, 5_000))
      expect(Math.min(...waits)).toBeGreaterThanOrEqual(limitMs / 2)
      expect(Math.max(...waits)).toBeLessThanOrEqual(limitMs)
      expect(new Set(waits).size).toBeGreaterThan(100)
    }
  })

  test('is kept: no try comes before its time', async () => {
    const tries: number[] = []
    const listener = createServer((socket) => {
      tries.push(performance.now())
      socket.destroy()
    })
    await once(listener.listen(0, '127.0.0.1'), 'listening')
    const startMs = performance.now()
    const client = connect(`http://127.0.0.1:${(listener.address() as AddressInfo).port}`)
    expect(client.state.name).toBe('catching-up')
    // Each try goes over WebSocket and over polling.
    await expect.poll(() => tries.length).toBeGreaterThanOrEqual(9)
    client.close()
    listener.close()
    const earliestMs = [0, 125, 375, 875, 1_875]
    expect(
      tries.filter((_, i) => i % 2 === 0).map((atMs, i) => atMs - startMs >= earliestMs[i]!),
    ).not.toContain(false)
    expect(client.state).toMatchObject({ name: 'offline', reason: 'the client was closed' })
  })
})
