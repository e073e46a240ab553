import { type KafkaServer, startKafka } from './kafka.ts'
import { type PostgresServer, startPostgres } from './postgres.ts'
import { type RedisServer, startRedis } from './redis.ts'

/** What instances share: a PostgreSQL with an empty database, a Redis and a Kafka. */
export interface BackingServices {
  readonly postgres: PostgresServer
  readonly redis: RedisServer
  readonly kafka: KafkaServer
  /** DATABASE_URL, REDIS_URL and KAFKA_BROKERS. */
  readonly settings: Readonly<Record<string, string>>
  /** Ends them, those that are not down already, and removes their data. */
  stop(): Promise<void>
}

/** All or none. */
export async function startBackingServices(): Promise<BackingServices> {
  const starting = [
    startPostgres({ settings: { max_connections: '200' } }),
    startRedis(),
    startKafka(),
  ] as const
  const stop = async () => {
    for (const service of await Promise.allSettled(starting))
      if (service.status === 'fulfilled') await service.value.stop()
  }
  try {
    const [postgres, redis, kafka] = await Promise.all(starting)
    const settings = {
      DATABASE_URL: await postgres.createDatabase(),
      REDIS_URL: redis.url,
      KAFKA_BROKERS: kafka.brokers,
    }
    return { postgres, redis, kafka, settings, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
