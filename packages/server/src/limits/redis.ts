import { RateLimiterRedis, RLWrapperTimeouts } from 'rate-limiter-flexible'
import type { Count, Counter } from './counter.ts'
import { MemoryCounter } from './memory.ts'

export interface RedisCounterOptions {
  /** Of the package `redis`. */
  client: object
  /** Of the names in Redis, without a colon at its end. */
  keyPrefix: string
  windowSeconds: number
  deadlineMs: number
}

/**
 * Counts in Redis, for all instances together. Where Redis fails or does not answer within the deadline, this process
 * counts for itself. The deadline is of the wrapper, since the limiter's own insurance begins at an error, and a Redis
 * that is stopped makes none.
 */
export class RedisCounter implements Counter {
  readonly #shared: RLWrapperTimeouts
  readonly #alone: MemoryCounter

  constructor({ client, keyPrefix, windowSeconds, deadlineMs }: RedisCounterOptions) {
    this.#shared = new RLWrapperTimeouts({
      limiter: new RateLimiterRedis({
        storeClient: client,
        useRedisPackage: true,
        rejectIfRedisNotReady: true,
        keyPrefix,
        points: 0,
        duration: windowSeconds,
      }),
      timeoutMs: deadlineMs,
    })
    this.#alone = new MemoryCounter({ windowSeconds })
  }

  async add(client: string, points: number): Promise<Count> {
    try {
      const { consumedPoints, msBeforeNext } = await this.#shared.penalty(client, points)
      return { spent: consumedPoints, endsInMs: msBeforeNext }
    } catch {
      return this.#alone.add(client, points)
    }
  }

  forget(client: string): void {
    this.#alone.forget(client)
  }
}
