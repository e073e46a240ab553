import { randomUUID } from 'node:crypto'
import { RedisCache } from '../../src/cache/redis.ts'
import { RedisConnection } from '../../src/redis/redis-connection.ts'

export interface TestRedisCache {
  cache: RedisCache
  redis: RedisConnection
  /** What was logged, in order. */
  logged: string[]
  close(): Promise<void>
}

/** A cache with a connection of its own, that has begun to connect. */
export async function openRedisCache(
  url: string,
  { storeId = randomUUID(), ttlSeconds = 600 }: { storeId?: string; ttlSeconds?: number } = {},
): Promise<TestRedisCache> {
  const logged: string[] = []
  const note = (_details: object, message: string) => logged.push(message)
  const redis = new RedisConnection({ url, name: 'test', log: { info: note, warn: note } as never })
  await redis.start()
  const cache = new RedisCache({ redis, storeId, ttlSeconds, maxBytes: 2 ** 24 })
  return {
    ...{ cache, redis, logged },
    async close() {
      await cache.close()
      await redis.close()
    },
  }
}
