import { expect, test } from 'vitest'
import type { Count, Counter } from '../src/limits/counter.ts'
import { MemoryCounter } from '../src/limits/memory.ts'
import { RateLimit, type RateLimitOptions } from '../src/limits/rate-limit.ts'

/** No test lasts so long. */
const WINDOW_SECONDS = 3_600

/** A real counter that notes what it is told. */
class NotedCounter implements Counter {
  readonly told: number[] = []
  readonly forgotten: string[] = []
  readonly #counter = new MemoryCounter({ windowSeconds: WINDOW_SECONDS })

  add(client: string, points: number): Promise<Count> {
    this.told.push(points)
    return this.#counter.add(client, points)
  }

  forget(client: string): void {
    this.forgotten.push(client)
    this.#counter.forget(client)
  }
}

function limitOf(limit: number, more: Partial<RateLimitOptions> = {}) {
  const counter = new NotedCounter()
  const refused: string[] = []
  const options = { name: 'RATE_LIMIT_WRITES', unit: 'writes', limit, windowSeconds: WINDOW_SECONDS, counter }
  return {
    counter,
    refused,
    limit: new RateLimit({ ...options, onRefused: (it) => refused.push(it), ...more }),
  }
}

const takes = (limit: RateLimit, client: string, points = 1): boolean => {
  try {
    limit.take(client, points)
    return true
  } catch {
    return false
  }
}

/** What was told has been counted. */
const counted = () => new Promise((resolve) => setImmediate(resolve))

test('exactly the limit is let through, per client, and a refusal costs nothing', async () => {
  const { limit, refused } = limitOf(100)
  let taken = 0
  for (let n = 0; n < 300; n++) {
    if (takes(limit, 'a')) taken++
    if (n % 7 === 0) await counted()
  }
  expect(taken).toBe(100)
  expect(takes(limit, 'b', 99)).toBe(true)
  expect(takes(limit, 'b', 2)).toBe(false)
  expect(takes(limit, 'b', 1)).toBe(true)
  expect(limit.stats()).toEqual({ refused: 201, clients: 2 })
  expect(refused).toEqual(['a', 'b'])
})

test('the counter is told of chunks, one telling at a time, and never of less', async () => {
  const { limit, counter } = limitOf(10_000)
  for (let n = 0; n < 99; n++) limit.take('a', 1)
  expect(counter.told).toEqual([])
  limit.take('a', 1)
  limit.take('a', 5_000)
  expect(counter.told).toEqual([100])
  await counted()
  expect(counter.told).toEqual([100, 5_000])
  limit.take('a', 99)
  await counted()
  expect(counter.told).toHaveLength(2)
})

test('what others have spent is known after a chunk', async () => {
  const counter = new MemoryCounter({ windowSeconds: WINDOW_SECONDS })
  const [one, other] = [limitOf(1_000, { counter }).limit, limitOf(1_000, { counter }).limit]
  for (let n = 0; n < 900; n++) one.take('a', 1)
  await counted()
  let taken = 0
  while (takes(other, 'a')) {
    taken++
    await counted()
  }
  expect(taken).toBe(100)
})

test('a counter that forgets does not give anything back within the window', async () => {
  const { limit, counter } = limitOf(100)
  limit.take('a', 60)
  await counted()
  counter.forget('a')
  limit.take('a', 20)
  await counted()
  expect(takes(limit, 'a', 21)).toBe(false)
  expect(takes(limit, 'a', 20)).toBe(true)
})

test('the answer says how it stands once half is used, and the refusal says when to come back', () => {
  const { limit } = limitOf(10)
  expect(limit.take('a', 5)).toBeUndefined()
  const resetSeconds = limit.take('a', 1)!.resetSeconds
  expect(resetSeconds).toBeGreaterThanOrEqual(1)
  expect(resetSeconds).toBeLessThanOrEqual(WINDOW_SECONDS)
  expect(limit.take('a', 1)).toEqual({ limit: 10, remaining: 3, resetSeconds: expect.any(Number) })
  expect(() => limit.take('a', 5)).toThrow(
    expect.objectContaining({
      code: 'RATE_LIMITED',
      message: expect.stringMatching(
        /^5 more writes of a were not taken: 3 are left of 10 in 3600 s \(RATE_LIMIT_WRITES\)\. Try again in \d+ s, and more slowly\.$/,
      ),
      details: { limit: 10, remaining: 3, retryAfterSeconds: expect.any(Number) },
    }),
  )
})

test('more at once than the limit can never pass, and is told to be split', () => {
  const { limit, refused } = limitOf(10)
  expect(() => limit.take('a', 11)).toThrow(expect.objectContaining({ code: 'BATCH_TOO_LARGE' }))
  expect(refused).toEqual([])
  expect(takes(limit, 'a', 10)).toBe(true)
})

test('no more clients are remembered than may be', () => {
  const { limit, counter } = limitOf(10, { maxClients: 3 })
  for (const client of ['a', 'b', 'c', 'd', 'e']) limit.take(client, 10)
  expect(limit.stats().clients).toBe(3)
  expect(counter.forgotten).toEqual(['a', 'b'])
  expect(['e', 'd', 'c'].map((client) => takes(limit, client))).toEqual([false, false, false])
})
