/**
 * The composition root: the only file that names concrete classes.
 *
 *   start   store -> Tail and Hub (warmed from the log) -> key-value -> HTTP and sockets -> listening
 *   stop    not ready, no new connections -> requests answered, sockets sent elsewhere -> commits drained -> cache
 *           -> bus, once it has sent what was committed -> live parts -> store
 */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { LiveKVError } from '@livekv/protocol'
import { KafkaBus } from './bus/kafka.ts'
import { MemoryBus } from './bus/memory.ts'
import { Republisher } from './bus/republisher.ts'
import { MemoryCache } from './cache/memory.ts'
import { RedisCache } from './cache/redis.ts'
import type { Config } from './config.ts'
import { Expiry } from './expiry.ts'
import type { DegradedPart, Health } from './http/context.ts'
import { ETags } from './http/etag.ts'
import { checkKey } from './http/key.ts'
import { Origins } from './http/origins.ts'
import { createHttpServer } from './http/server.ts'
import { stopServer } from './http/stop-server.ts'
import { KeyValue } from './key-value.ts'
import { MemoryCounter } from './limits/memory.ts'
import { RateLimits } from './limits/rate-limits.ts'
import { RedisCounter } from './limits/redis.ts'
import { ArrivalGate } from './live/arrival-gate.ts'
import { Hub } from './live/hub.ts'
import { LiveSockets } from './live/live-sockets.ts'
import { reach } from './live/reach.ts'
import { RecentKeys } from './live/recent-keys.ts'
import { attachSockets } from './live/socket.ts'
import { Tail } from './live/tail.ts'
import type { Watch } from './live/watch.ts'
import { WatchAudience } from './live/watch-audience.ts'
import { createLog, type Log } from './log.ts'
import { CommitTimes } from './metrics/commit-times.ts'
import { ErrorCounts } from './metrics/error-counts.ts'
import { HttpCounts } from './metrics/http-counts.ts'
import { Metrics } from './metrics/metrics.ts'
import { ClusterAdapter } from './redis/cluster-adapter.ts'
import { RedisConnection } from './redis/redis-connection.ts'
import { StartError } from './start-error.ts'
import { openStore } from './store/open-store.ts'
import type { Write } from './store/store.ts'

export interface App {
  /** Where it listens, e.g. `http://127.0.0.1:8080`. */
  url: string
  /** What the store is, e.g. `PostgreSQL 17.5 (embedded in ./data)`. */
  description: string
  /** Resolves with the reason when the store has failed for good: nothing but `close` helps then. */
  failed: Promise<LiveKVError>
  /** Drains commits, closes sockets and the store; resolves when nothing is left running. */
  close(): Promise<void>
}

/** Of SHUTDOWN_TIMEOUT: then a database that is away is waited for no longer, so that requests under way get an answer. */
const STORE_SHARE = 0.6
/** Then requests under way are cut off; the rest is for what the bus still has to send and the store to write. */
const DRAIN_SHARE = 0.8
/** Of what is left by then: for giving back the lease, and of what is left after that, for the bus. */
const LEASE_SHARE = 0.25
const BUS_SHARE = 0.9

export async function createApp(config: Config, log: Log = createLog(config)): Promise<App> {
  const instance = randomUUID()
  const { promise: failed, resolve: fail } = Promise.withResolvers<LiveKVError>()
  const health: Pick<Health, 'problem'> = { problem: null }
  const store = await openStore(config, log)
  store.onFailure((error) => {
    health.problem = error
    fail(error)
  })

  /** In the order of starting; ended in the reverse one. */
  const running: (() => Promise<unknown>)[] = [() => store.close()]
  let stopped: Promise<void> | undefined
  const stop = () => {
    stopped ??= stopAll()
    return stopped
  }
  let stopByMs = Number.POSITIVE_INFINITY
  /** A part of what is left of SHUTDOWN_TIMEOUT. */
  const partOfLeft = (share: number) => Math.max(0, stopByMs - performance.now()) * share
  const stopAll = async () => {
    stopByMs = performance.now() + config.shutdownTimeoutMs
    const givingUp = setTimeout(() => store.giveUpIfAway(), config.shutdownTimeoutMs * STORE_SHARE)
    for (let end = running.pop(); end; end = running.pop()) {
      await end().catch((error) => log.error({ err: error }, 'a part did not stop cleanly'))
    }
    clearTimeout(givingUp)
  }
  try {
    const tail = new Tail({ maxEntries: config.tailMaxEntries, maxBytes: config.cacheMaxBytes })
    const audience = new WatchAudience<Watch>()
    // Everything, for the list of keys and the classic `update`; and keys by name, which may have no value to list. So a
    // gap is read from the log, however large it is, and only what the log no longer has is read again.
    const watched = { keys: () => audience.keys(), prefixes: () => [''], known: () => recentKeys.known() }
    const kafka =
      config.kafka && new KafkaBus({ config: config.kafka, instance, storeId: store.info.storeId, log })
    const bus = kafka ?? new MemoryBus()
    const hub = new Hub({ store, tail, watched, bus, log })
    running.push(() => hub.close())
    const recentKeys = new RecentKeys({ store, hub, limit: config.keysLimit, log })
    running.push(() => recentKeys.close())
    running.push(() => bus.close(partOfLeft(BUS_SHARE)))
    const redis = config.redis && new RedisConnection({ url: config.redis.url, name: 'commands', log })
    if (redis) running.push(() => redis.close())
    await redis?.start()
    const maxBytes = config.cacheMaxBytes
    const cache =
      redis && config.redis
        ? new RedisCache({
            redis,
            storeId: store.info.storeId,
            ttlSeconds: config.redis.ttlSeconds,
            maxBytes,
          })
        : new MemoryCache({ maxBytes })
    running.push(() => cache.close())
    const cluster =
      redis && config.redis
        ? new ClusterAdapter({ commands: redis, url: config.redis.url, storeId: store.info.storeId, log })
        : undefined
    if (cluster) running.push(() => cluster.close())
    await cluster?.start()
    await hub.start()
    await bus.subscribe((changes) => hub.receive(changes))
    const republisher = kafka && new Republisher({ bus: kafka, mark: store.mark, store, instance, log })
    if (republisher) running.push(() => republisher.close(partOfLeft(LEASE_SHARE)))
    republisher?.start()
    recentKeys.start()
    const metrics = new Metrics()
    const commits = new CommitTimes(store, { seconds: metrics.commitSeconds, writes: metrics.commitWrites })
    const measured = {
      commit: (writes: readonly Write[]) => commits.commit(writes),
      get: (keys: readonly string[]) => store.get(keys),
    }
    const keyValue = new KeyValue({ store: measured, hub, cache, bus, recentKeys })
    running.push(() => keyValue.close())
    const expiry = new Expiry({ store, keyValue, log })
    expiry.start()
    running.push(() => expiry.close())

    const windowSeconds = config.rateLimitWindowSeconds
    const limits = new RateLimits({
      config,
      counter: (kind) =>
        redis
          ? new RedisCounter({
              redis,
              keyPrefix: `livekv:${store.info.storeId}:limit:${kind}`,
              windowSeconds,
            })
          : new MemoryCounter({ windowSeconds }),
      log,
    })
    const origins = new Origins(config)
    const errors = new ErrorCounts()
    const server = createHttpServer({
      config,
      log,
      keyValue,
      store,
      origins,
      limits,
      etags: new ETags(store.info.storeId),
      instance,
      errors,
      metrics: async () => ({ contentType: metrics.contentType, text: await metrics.text() }),
      health: () => ({
        ...health,
        contiguous: hub.contiguous,
        degraded: degradedParts({ cache, bus, sockets: cluster }),
      }),
      reach: (revision, timeoutMs) => reach(hub, revision, () => false, timeoutMs),
      presence: (key) => sockets.presence.report(key),
    })
    const http = new HttpCounts()
    http.watch(server)
    const live = new LiveSockets({ hub, store, keyValue, audience, config, log, errors })
    const sockets = attachSockets(server, {
      feed: hub,
      arrivals: new ArrivalGate({ hub, store }),
      keyValue,
      limits,
      live,
      cluster,
      maxBodyBytes: config.maxBodyBytes,
      refusal: (request) => origins.refusal(request),
      parseKey: (key) => checkKey(key, config.maxKeyBytes),
      log,
    })
    metrics.observe({
      hub,
      keyValue,
      sockets,
      live,
      http,
      errors,
      commits,
      store,
      cache,
      bus,
      cluster,
      republisher,
      limits,
    })
    server.listen(config.port, config.host)
    await once(server, 'listening')
    running.push(async () => {
      health.problem = new LiveKVError('SHUTTING_DOWN', 'This instance is stopping; use another one.')
      const drainMs = config.shutdownTimeoutMs * DRAIN_SHARE
      const drained = stopServer(server, drainMs)
      await sockets.close(drainMs)
      await drained
    })
    return {
      url: urlOf(server.address() as AddressInfo),
      description: store.info.description,
      failed,
      close: stop,
    }
  } catch (error) {
    await stop()
    throw listenError(error, config)
  }
}

function degradedParts(parts: Record<DegradedPart, { problem: string | null } | undefined>): DegradedPart[] {
  return (['cache', 'bus', 'sockets'] as const).filter((part) => (parts[part]?.problem ?? null) !== null)
}

function urlOf({ address, family, port }: AddressInfo): string {
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
}

function listenError(error: unknown, { host, port }: Config): unknown {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE':
      return new StartError(
        `Port ${port} on ${host} is taken by another program (perhaps another LiveKV): stop it, or choose another port with PORT=${port + 1}.`,
      )
    case 'EACCES':
      return new StartError(
        `Port ${port} may not be opened by this user: choose one above 1023 with PORT=8080.`,
      )
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new StartError(
        `HOST=${host} is no address of this machine: use 127.0.0.1, 0.0.0.0 or one of its own.`,
      )
    default:
      return error
  }
}
