import type { ClassicClientEvents, ClassicServerEvents } from '@livekv/protocol'
import { io, type Socket } from 'socket.io-client'
import { afterEach, expect, test } from 'vitest'
import { useLiveApp } from './support/live-app.ts'

const live = useLiveApp()
const sockets: Socket[] = []
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.disconnect()
})

const options = { forceNew: true, reconnection: false, transports: ['websocket'] }

function socket(auth?: Record<string, unknown>): Socket {
  const made = io(live.url, { ...options, ...(auth && { auth }) })
  sockets.push(made)
  return made
}

const refusalOf = (refused: Socket) =>
  new Promise<Error & { data?: unknown }>((resolve, reject) => {
    refused.once('connect_error', resolve)
    refused.once('connect', () => reject(new Error('connected')))
  })

test.each([[2], ['2'], [0], [''], [true], [[1]], [{}], [{ toString: 1, valueOf: 1 }]])(
  'protocol %j is refused with the one that is spoken, and the server goes on',
  async (protocol) => {
    const refusal = await refusalOf(socket({ protocol }))
    expect(refusal.message).toMatch(
      /^INVALID_REQUEST: protocol .* is not spoken here: connect with auth \{"protocol": 1\}/,
    )
    expect(refusal.data).toMatchObject({ code: 'INVALID_REQUEST', protocol: 1 })
    const { socket: other } = await live.connect()
    expect(other.connected).toBe(true)
  },
)

test.each([[{ auth: { protocol: '1' } }], [{ auth: {}, query: { protocol: '1' } }]])(
  '%j is the live protocol',
  async (how) => {
    const client = await live.connect(how)
    expect(await client.ask('unwatch', { watch: 'none' })).toEqual({})
  },
)

test('classic sockets get classic events only, and live ones what they asked for only', async () => {
  const classic: Socket<ClassicServerEvents, ClassicClientEvents> = socket()
  const classicEvents: string[] = []
  classic.onAny((event) => classicEvents.push(event))
  await new Promise<void>((resolve) => classic.once('connect', resolve))
  const client = await live.connect()
  const watch = await client.watch({ watch: 'w', keys: ['both'] })
  const silent = await live.connect()
  const answer = await new Promise<{ status: string }>((resolve) => {
    classic.once('subscribed', resolve)
    classic.emit('subscribe', 'both')
  })
  expect(answer.status).toBe('success')
  // Not an event of theirs: nothing comes of it, not even an answer.
  classic.emit('watch' as 'subscribe', { watch: 'c', keys: ['both'] } as never)
  client.emit('subscribe', 'both')
  silent.emit('subscribe', 'both')
  for (let n = 0; n < 5; n++) await live.put('both', n)
  await expect.poll(() => classicEvents.filter((name) => name === 'valueUpdate')).toHaveLength(5)
  await expect.poll(() => watch.values).toEqual({ both: 4 })
  expect(new Set(classicEvents)).toEqual(new Set(['subscribed', 'update', 'valueUpdate']))
  expect(new Set(client.events)).toEqual(new Set(['snapshot', 'changes']))
  expect(await silent.ask('unwatch', { watch: 'none' })).toEqual({})
  expect(silent.events).toEqual([])
})

test('time answers with the clock', async () => {
  const client = await live.connect()
  const before = Date.now()
  const { now } = await client.ask<{ now: number }>('time')
  expect(now).toBeGreaterThanOrEqual(before)
  expect(now).toBeLessThanOrEqual(Date.now())
})
