import type { ClassicValueUpdate } from '@livekv/protocol'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  type ClassicServer,
  type ClassicSocket,
  connectionOf,
  startClassicServer,
  until,
} from './classic-server.ts'

let server: ClassicServer
beforeEach(async () => {
  server = await startClassicServer()
})
afterEach(() => server.close())

/** Follows what a client is shown of each key; throws in the test when a key goes backwards. */
function follow(client: ClassicSocket) {
  const revisions = new Map<string, number>()
  const backwards: string[] = []
  let count = 0
  const see = (event: string, { key, revision }: ClassicValueUpdate) => {
    count++
    const before = revisions.get(key) ?? 0
    if (revision < before) backwards.push(`${event} ${key}: ${revision} after ${before}`)
    revisions.set(key, revision)
  }
  client.on('valueUpdate', (update) => see('valueUpdate', update))
  client.on('update', ({ data }) => see('update', data))
  return { revisions, backwards, count: () => count }
}

const tick = () => new Promise((resolve) => setImmediate(resolve))
const atLast = (revisions: Map<string, number>) =>
  [...server.log.latest].every(([key, { revision }]) => revisions.get(key) === revision)

test('a client that stops reading costs one pending value per key and ends at the last ones', async () => {
  const slow = await server.connect()
  const fast = await server.connect()
  const seen = follow(slow)
  const seenFast = follow(fast)
  for (let i = 0; i < 50; i += 2) slow.emit('subscribe', `key${i}`)
  await until(slow, () => server.sockets.stats().subscriptions === 25)
  connectionOf(slow).pause()
  const padding = 'x'.repeat(100)
  const memoryBefore = process.memoryUsage().rss
  let mostOwed = 0
  for (let i = 0; i < 200_000; i += 20) {
    server.log.write(
      ...Array.from({ length: 20 }, (_, n) => [`key${(i + n * 7) % 50}`, `"${i + n}${padding}"`] as const),
    )
    await tick()
    mostOwed = Math.max(mostOwed, server.sockets.stats().owed)
  }
  const grownMb = (process.memoryUsage().rss - memoryBefore) / 1e6
  // The two sockets together.
  expect(mostOwed).toBeLessThanOrEqual(100)
  expect(mostOwed).toBeGreaterThanOrEqual(50)
  connectionOf(slow).resume()
  await until(slow, () => atLast(seen.revisions))
  await until(fast, () => atLast(seenFast.revisions))
  expect([...seen.backwards, ...seenFast.backwards]).toEqual([])
  await expect.poll(() => server.sockets.stats().owed, { timeout: 20_000 }).toBe(0)
  // Without conflation it would have been shown 300,000.
  expect(seen.count()).toBeLessThan(150_000)
  console.log(
    `200,000 changes: ${seen.count()} events shown to the slow client, rss ${grownMb.toFixed(0)} MB more`,
  )
}, 60_000)

test('a flush is bounded and goes on: large values of many keys', async () => {
  const slow = await server.connect()
  const seen = follow(slow)
  connectionOf(slow).pause()
  const value = JSON.stringify('v'.repeat(60_000))
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 200; i++) {
      server.log.write([`key${i}`, value])
      await tick()
    }
  }
  expect(server.sockets.stats()).toMatchObject({ slow: 1 })
  connectionOf(slow).resume()
  await until(slow, () => atLast(seen.revisions))
  expect(seen.backwards).toEqual([])
}, 60_000)

test.each([[['polling']], [['polling', 'websocket']], [['websocket']]])(
  'no loss and no disorder over %j while it writes, subscribes and upgrades',
  async (transports) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            fc.record({
              op: fc.constant('write' as const),
              keys: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 6 }),
              remove: fc.boolean(),
            }),
            fc.record({ op: fc.constant('subscribe' as const), key: fc.integer({ min: 0, max: 4 }) }),
            fc.record({ op: fc.constant('unsubscribe' as const), key: fc.integer({ min: 0, max: 4 }) }),
            fc.record({ op: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 3 }) }),
          ),
          { minLength: 20, maxLength: 120 },
        ),
        fc.integer({ min: 0, max: 3 }),
        async (steps, readDelayMs) => {
          // Reads answer at once, or after a while with what was current in the middle of it.
          server.log.delay =
            readDelayMs === 0 ? undefined : () => new Promise((resolve) => setTimeout(resolve, readDelayMs))
          const client = await server.connect({ transports })
          const seen = follow(client)
          const values = new Map<string, number>()
          const subscribed = new Set<string>()
          client.on('valueUpdate', ({ key, revision }) => values.set(key, revision))
          for (const step of steps) {
            if (step.op === 'wait') await new Promise((resolve) => setTimeout(resolve, step.ms))
            else if (step.op === 'write')
              server.log.write(...step.keys.map((key) => [`k${key}`, step.remove ? null : '1'] as const))
            else if (step.op === 'subscribe') {
              subscribed.add(`k${step.key}`)
              client.emit('subscribe', `k${step.key}`)
            } else {
              subscribed.delete(`k${step.key}`)
              client.emit('unsubscribe', `k${step.key}`)
            }
          }
          // Answered last: what was asked before it has been heard.
          client.emit('subscribe', 'end')
          await new Promise<void>((resolve) => {
            client.on('subscribed', (answer) => {
              if (answer.status === 'success' && answer.key === 'end') resolve()
            })
          })
          for (let key = 0; key < 5; key++) server.log.write([`k${key}`, '"last"'])
          await until(
            client,
            () =>
              atLast(seen.revisions) &&
              [...subscribed].every((key) => values.get(key) === server.log.latest.get(key)?.revision),
          )
          client.disconnect()
          expect(seen.backwards).toEqual([])
        },
      ),
      { numRuns: 80, endOnFailure: true },
    )
  },
  60_000,
)
