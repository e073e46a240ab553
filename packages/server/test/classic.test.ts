import type { ClassicServerEvents, ClassicValueUpdate } from '@livekv/protocol'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Origins } from '../src/http/origins.ts'
import {
  type ClassicServer,
  type ClassicSocket,
  connectionOf,
  startClassicServer,
  until,
} from './classic-server.ts'

type Subscribed = Parameters<ClassicServerEvents['subscribed']>[0]

const origins = new Origins({
  host: '127.0.0.1',
  publishedOn: '127.0.0.1',
  allowedOrigins: ['https://friend.example'],
})
let server: ClassicServer
beforeEach(async () => {
  server = await startClassicServer((request) => origins.refusal(request))
})
afterEach(() => server.close())

/** Everything a client is sent, in order. */
function record(client: ClassicSocket) {
  const events: [event: string, payload: unknown][] = []
  client.onAny((event: string, payload: unknown) => events.push([event, payload]))
  return events
}

describe.each([['websocket'], ['polling']])('classic events over %s', (transport) => {
  const transports = [transport]

  test('subscribed, the current value, then every change', async () => {
    server.log.write(['gold', '1.50'])
    const client = await server.connect({ transports })
    const events = record(client)
    client.emit('subscribe', 'gold')
    await until(client, () => events.length === 2)
    server.log.write(['gold', '{"buy":2,"sell":[3,"é\\u2028"]}'])
    // A client that polls is not writable until it polls again, and would get the last one only.
    await until(client, () => events.length === 4)
    server.log.write(['gold', null])
    await until(client, () => events.length === 6)
    const second = {
      key: 'gold',
      value: { buy: 2, sell: [3, 'é\u2028'] },
      timestamp: 1_700_000_000_002,
      revision: 2,
    }
    const third = { key: 'gold', value: null, timestamp: 1_700_000_000_003, revision: 3 }
    expect(events.slice(0, 2)).toEqual([
      ['subscribed', { status: 'success', key: 'gold' }],
      ['valueUpdate', { key: 'gold', value: 1.5, timestamp: 1_700_000_000_001, revision: 1 }],
    ])
    const after = events.slice(2)
    expect(after.filter(([event]) => event === 'valueUpdate')).toEqual([
      ['valueUpdate', second],
      ['valueUpdate', third],
    ])
    expect(after.filter(([event]) => event === 'update')).toEqual([
      ['update', { data: second, timestamp: 1_700_000_000_002 }],
      ['update', { data: third, timestamp: 1_700_000_000_003 }],
    ])
  })

  test('without a value nothing follows subscribed until the first write', async () => {
    const client = await server.connect({ transports })
    const events = record(client)
    client.emit('subscribe', 'new')
    await until(client, () => events.length === 1)
    server.log.write(['new', '0'])
    await until(client, () => events.length === 3)
    expect(events.map(([event]) => event).sort()).toEqual(['subscribed', 'update', 'valueUpdate'])
  })

  test('of other keys and after unsubscribe only `update`', async () => {
    const client = await server.connect({ transports })
    const events = record(client)
    client.emit('subscribe', 'gold')
    await until(client, () => events.length === 1)
    server.log.write(['silver', '1'])
    client.emit('unsubscribe', 'gold')
    // Its answer shows that the one before was heard.
    client.emit('subscribe', 'silver')
    await until(client, () =>
      events.some(([, payload]) => (payload as Subscribed & { key: string }).key === 'silver'),
    )
    server.log.write(['gold', '2'])
    await until(client, () => events.filter(([event]) => event === 'update').length === 2)
    expect(events.filter(([event]) => event === 'valueUpdate').map(([, payload]) => payload)).toEqual([
      expect.objectContaining({ key: 'silver', value: 1 }),
    ])
  })

  test('a batch of one tick arrives whole and in order', async () => {
    const client = await server.connect({ transports })
    const events = record(client)
    client.emit('subscribe', 'b')
    await until(client, () => events.length === 1)
    server.log.write(['a', '1'], ['b', '"x"'], ['a', '2'], ['b', '"y"'])
    const updates = () => events.filter(([event]) => event === 'update')
    await until(
      client,
      () => events.some(([, p]) => (p as ClassicValueUpdate).value === 'y') && updates().length >= 2,
    )
    const seen = (key: string) =>
      updates().flatMap(([, p]) => {
        const { data } = p as { data: ClassicValueUpdate }
        return data.key === key ? [data.revision] : []
      })
    expect(seen('a').at(-1)).toBe(3)
    expect(seen('b').at(-1)).toBe(4)
    expect(seen('a')).toEqual([...seen('a')].sort())
  })
})

test.each([[''], [7], [null], [{ key: 'gold' }]])('a bad key %j is answered', async (key) => {
  const client = await server.connect()
  const answer = new Promise((resolve) => client.once('subscribed', resolve))
  client.emit('subscribe', key as string)
  expect(await answer).toEqual({
    status: 'error',
    code: 'INVALID_KEY',
    error: expect.stringContaining('not a key'),
  })
})

test('ten thousand subscriptions, then SUBSCRIPTION_LIMIT', async () => {
  const client = await server.connect()
  const answers: Subscribed[] = []
  client.on('subscribed', (answer) => answers.push(answer))
  for (let i = 0; i <= 10_000; i++) client.emit('subscribe', `key${i}`)
  await until(client, () => answers.length === 10_001)
  expect(answers.filter(({ status }) => status === 'error')).toEqual([
    { status: 'error', code: 'SUBSCRIPTION_LIMIT', error: expect.stringContaining('10000') },
  ])
  expect(server.sockets.stats().subscriptions).toBe(10_000)
  client.disconnect()
  await expect
    .poll(() => server.sockets.stats(), { timeout: 20_000 })
    .toEqual({ sockets: 0, subscriptions: 0, slow: 0, owed: 0, delivered: expect.any(Number) })
})

test('subscribing again gives the current value again', async () => {
  server.log.write(['gold', '1'])
  const client = await server.connect()
  const events = record(client)
  client.emit('subscribe', 'gold')
  await until(client, () => events.length === 2)
  client.emit('subscribe', 'gold')
  await until(client, () => events.length === 4)
  expect(events.map(([event]) => event)).toEqual(['subscribed', 'valueUpdate', 'subscribed', 'valueUpdate'])
})

test.each([[{ auth: { protocol: 1 } }], [{ query: { protocol: '1' } }]])(
  'a socket of another protocol (%j) gets nothing of this',
  async (options) => {
    const other = await server.connect(options)
    const classic = await server.connect()
    const events = record(other)
    const classicEvents = record(classic)
    other.emit('subscribe', 'gold')
    server.log.write(['gold', '1'])
    server.log.write(['gold', '2'])
    await until(classic, () => classicEvents.length === 2)
    expect(events).toEqual([])
    expect(server.sockets.stats().sockets).toBe(1)
  },
)

test('a page of a foreign origin is refused with the setting to change', async () => {
  for (const transport of ['polling', 'websocket']) {
    const headers = { origin: 'https://evil.example' }
    await expect(server.connect({ transports: [transport], extraHeaders: headers })).rejects.toThrow()
  }
  const response = await fetch(`${server.url}/socket.io/?EIO=4&transport=polling`, {
    headers: { origin: 'https://evil.example' },
  })
  expect(response.status).toBe(403)
  expect(await response.text()).toContain('ALLOWED_ORIGINS')
  const friend = await fetch(`${server.url}/socket.io/?EIO=4&transport=polling`, {
    headers: { origin: 'https://friend.example' },
  })
  expect(friend.headers.get('access-control-allow-origin')).toBe('https://friend.example')
})

test('serves the client script', async () => {
  const response = await fetch(`${server.url}/socket.io/socket.io.js`)
  expect(response.status).toBe(200)
  expect(await response.text()).toContain('Socket.IO')
})

test('after close() clients reconnect by themselves', async () => {
  const client = await server.connect({ reconnection: false })
  const reason = new Promise((resolve) => client.once('disconnect', resolve))
  await server.sockets.close()
  expect(await reason).toBe('transport close')
})

test('close() does not wait for a client that does not read', async () => {
  const client = await server.connect({ reconnection: false })
  connectionOf(client).pause()
  await server.sockets.close()
  expect(server.sockets.stats().sockets).toBe(0)
})

test('the text of a value is kept', async () => {
  const text: string[] = []
  const raw = new WebSocket(`${server.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`)
  await new Promise<void>((resolve) => {
    raw.onmessage = ({ data }) => {
      text.push(data)
      if (data.startsWith('0')) raw.send('40')
      if (data.startsWith('40')) server.log.write(['π "q"', '{"b":1.50,"a":1e2,"b":12345678901234567890}'])
      if (data.startsWith('42')) resolve()
    }
  })
  raw.close()
  expect(text.at(-1)).toBe(
    '42["update",{"data":{"key":"π \\"q\\"","value":{"b":1.50,"a":1e2,"b":12345678901234567890},"timestamp":1700000000001,"revision":1},"timestamp":1700000000001}]',
  )
})
