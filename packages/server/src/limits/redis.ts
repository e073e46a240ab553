import { RateLimiterRedis } from 'rate-limiter-flexible'
import type { RedisConnection } from '../redis/redis-connection.ts'
import type { Count, Counter } from './counter.ts'
import { MemoryCounter } from './memory.ts'

export interface RedisCounterOptions {
  redis: Pick<RedisConnection, 'call' | 'client'>
  /** Of its keys in Redis, without a colon at the end. */
  keyPrefix: string
  windowSeconds: number
}

/**
 * Counts in Redis, for all instances together; while Redis is away, this process counts for itself. That is the limiter's
 * own insurance too, but it begins at an error, and a Redis that is stopped makes none: the deadline is the connection's.
 */
export class RedisCounter implements Counter {
  readonly #redis: Pick<RedisConnection, 'call'>
  readonly #shared: RateLimiterRedis
  readonly #alone: MemoryCounter

  constructor({ redis, keyPrefix, windowSeconds }: RedisCounterOptions) {
    this.#redis = redis
    this.#shared = new RateLimiterRedis({
      storeClient: redis.client,
      useRedisPackage: true,
      keyPrefix,
      points: 0,
      duration: windowSeconds,
    })
    this.#alone = new MemoryCounter({ windowSeconds })
  }

  async add(client: string, points: number): Promise<Count> {
    try {
      const counted = await this.#redis.call(() => this.#shared.penalty(client, points))
      return { spent: counted.consumedPoints, endsInMs: counted.msBeforeNext }
    } catch {
      // The connection logs an outage, once.
      return this.#alone.add(client, points)
    }
  }

  forget(client: string): void {
    this.#alone.forget(client)
  }
}
