/**
 * Three instances behind Nginx on real PostgreSQL, Redis and Kafka. Each instance has its own way to each service:
 *
 *   client -> Nginx -> instance 1 -> link -> PostgreSQL, Redis, Kafka
 *                   -> instance 2 -> link -> the same
 *                   -> instance 3 -> link -> the same
 */
import { freePort } from '../services/free-port.ts'
import { type KafkaServer, startKafka } from '../services/kafka.ts'
import { type NginxServer, startNginx } from '../services/nginx.ts'
import { type PostgresServer, startPostgres } from '../services/postgres.ts'
import { type RedisServer, startRedis } from '../services/redis.ts'
import { TcpProxy } from '../services/tcp-proxy.ts'
import { Instance } from './instance.ts'
import { TAIL_MAX_ENTRIES } from './keys.ts'
import { INSTANCES, type LinkedService } from './schedule.ts'

export const TOPIC = 'data-events'

export class FaultCluster {
  readonly postgres: PostgresServer
  readonly redis: RedisServer
  readonly kafka: KafkaServer
  readonly nginx: NginxServer
  readonly instances: readonly Instance[]
  /** By service, then by instance. */
  readonly links: Readonly<Record<LinkedService, readonly TcpProxy[]>>
  /** Of the database all share, not by way of a link. */
  readonly databaseUrl: string

  static async start(): Promise<FaultCluster> {
    const started: (() => Promise<unknown>)[] = []
    const keep = <T>(thing: T, stop: () => Promise<unknown>): T => {
      started.push(stop)
      return thing
    }
    const startAndKeep = async <T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T> => {
      const thing = await starting
      return keep(thing, () => thing.stop())
    }
    const linkTo = async (port: number): Promise<TcpProxy> => {
      const link = await TcpProxy.start({ port })
      return keep(link, () => link.close())
    }
    const linksTo = (ports: readonly number[]) => Promise.all(ports.map(linkTo))
    try {
      const kafkaPorts = await Promise.all(Array.from({ length: INSTANCES }, () => freePort()))
      const kafkaLinks = await linksTo(kafkaPorts)
      const [postgres, redis, kafka] = await Promise.all([
        startAndKeep(startPostgres({ settings: { max_connections: '100' } })),
        startAndKeep(startRedis()),
        startAndKeep(
          startKafka({
            ways: kafkaLinks.map((link, index) => ({ port: kafkaPorts[index]!, advertisedPort: link.port })),
          }),
        ),
      ])
      const databaseUrl = await postgres.createDatabase()
      const links = {
        postgres: await linksTo(Array(INSTANCES).fill(postgres.port)),
        redis: await linksTo(Array(INSTANCES).fill(redis.port)),
        kafka: kafkaLinks,
      }
      const instances: Instance[] = []
      for (let index = 0; index < INSTANCES; index++) {
        const instance = await Instance.start(`instance${index + 1}`, {
          DATABASE_URL: links.postgres[index]!.through(databaseUrl),
          REDIS_URL: links.redis[index]!.through(redis.url),
          KAFKA_BROKERS: `127.0.0.1:${links.kafka[index]!.port}`,
          KAFKA_TOPIC: TOPIC,
          TAIL_MAX_ENTRIES: String(TAIL_MAX_ENTRIES),
          TRUST_PROXY: '127.0.0.1',
          LOG_LEVEL: 'info',
        })
        instances.push(keep(instance, () => instance.stop()))
      }
      const nginx = await startAndKeep(startNginx({ upstreams: instances.map(({ port }) => port) }))
      return new FaultCluster({ postgres, redis, kafka, nginx, instances, links, databaseUrl }, started)
    } catch (error) {
      await stopAll(started)
      throw error
    }
  }

  readonly #started: (() => Promise<unknown>)[]

  private constructor(
    parts: Pick<
      FaultCluster,
      'postgres' | 'redis' | 'kafka' | 'nginx' | 'instances' | 'links' | 'databaseUrl'
    >,
    started: (() => Promise<unknown>)[],
  ) {
    this.postgres = parts.postgres
    this.redis = parts.redis
    this.kafka = parts.kafka
    this.nginx = parts.nginx
    this.instances = parts.instances
    this.links = parts.links
    this.databaseUrl = parts.databaseUrl
    this.#started = started
  }

  async stop(): Promise<void> {
    await stopAll(this.#started)
  }
}

async function stopAll(started: (() => Promise<unknown>)[]): Promise<void> {
  for (let stop = started.pop(); stop; stop = started.pop()) await stop()
}
