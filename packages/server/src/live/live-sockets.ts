import { SELECTION_MAX_KEYS } from '@livekv/protocol'
import type { Logger } from 'pino'
import type { Socket } from 'socket.io'
import type { Config } from '../config.ts'
import type { KeyValue } from '../key-value.ts'
import type { ClientLimits } from '../limits/rate-limits.ts'
import type { ErrorCounts } from '../metrics/error-counts.ts'
import type { Store } from '../store/store.ts'
import { StoreReads } from '../store-reads.ts'
import type { Hub } from './hub.ts'
import { InFlight } from './in-flight.ts'
import { LiveSocket } from './live-socket.ts'
import type { Watch, WatchSources } from './watch.ts'
import type { WatchAudience } from './watch-audience.ts'

/** How old the cursor may be that a client holds of a watch in which nothing changes. */
const CURSOR_REFRESH_MS = 15_000
/** How long a watch with a cursor waits for this instance to come as far as the one it was on. */
const RESUME_TIMEOUT_MS = 5_000
/** Over so long clients spread their reconnecting when this instance stops. */
const GOING_AWAY_WITHIN_MS = 2_000

export interface LiveSocketsOptions {
  hub: Hub
  store: Pick<Store, 'info' | 'get' | 'list' | 'changesSince' | 'head'>
  keyValue: Pick<KeyValue, 'write'>
  audience: WatchAudience<Watch>
  config: Config
  log: Logger
  errors?: ErrorCounts
  /** Keys that a watch may select. */
  maxKeys?: number
}

/** What a socket works with. */
export interface LiveOptions {
  config: Config
  keyValue: Pick<KeyValue, 'write'>
  storeId: string
  sources: WatchSources
  log: Logger
  requests: InFlight
  errors: ErrorCounts | undefined
  onLeave(socket: LiveSocket): void
}

/** All sockets of the live protocol. */
export class LiveSockets {
  readonly #sockets = new Set<LiveSocket>()
  readonly #options: LiveOptions
  readonly #audience: WatchAudience<Watch>
  readonly #refreshing: NodeJS.Timeout
  #delivered = 0

  constructor(options: LiveSocketsOptions) {
    const { hub, store, keyValue, audience, config, log, errors, maxKeys = SELECTION_MAX_KEYS } = options
    const reads = new StoreReads({ store, onRead: (_, head) => hub.noteHead(head) })
    this.#audience = audience
    this.#options = {
      config,
      keyValue,
      storeId: store.info.storeId,
      sources: {
        hub,
        store,
        reads,
        audience,
        maxKeys,
        timeoutMs: RESUME_TIMEOUT_MS,
        warn: (details, message) => log.warn(details, message),
        onGiven: (count) => {
          this.#delivered += count
        },
      },
      log,
      requests: new InFlight(),
      errors,
      onLeave: (socket) => this.#sockets.delete(socket),
    }
    hub.listen((changes) => audience.deliver(changes))
    hub.onJump(() => {
      for (const watch of audience) watch.noteJump()
    })
    this.#refreshing = setInterval(() => {
      for (const watch of audience) watch.refreshCursor()
    }, CURSOR_REFRESH_MS)
  }

  serve(socket: Socket, limits: ClientLimits): void {
    this.#sockets.add(new LiveSocket(socket, limits, this.#options))
  }

  /** Watches that a change of the key would reach. */
  watchesOf(key: string): number {
    return this.#audience.watchesOf(key)
  }

  stats(): { sockets: number; watches: number; slow: number; waiting: number; delivered: number } {
    const stats = {
      sockets: this.#sockets.size,
      watches: this.#audience.size,
      slow: 0,
      waiting: 0,
      delivered: this.#delivered,
    }
    for (const socket of this.#sockets) if (socket.isSlow) stats.slow++
    for (const watch of this.#audience) stats.waiting += watch.waiting
    return stats
  }

  /**
   * Tells everybody to go elsewhere, takes no more requests and answers those under way, for `timeoutMs` at most; the
   * connections are ended by their owner. Until then changes go on to be delivered: a cursor covers whatever the Hub has
   * seen.
   */
  async close(timeoutMs = 0): Promise<void> {
    clearInterval(this.#refreshing)
    for (const socket of this.#sockets) socket.goingAway(GOING_AWAY_WITHIN_MS)
    await this.#options.requests.close(timeoutMs)
  }
}
