/**
 * The rate limits where requests come in: reads and writes per client address, HTTP and sockets alike.
 * A read is a request for values, keys, history or presence, or a watch; a write is one item.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Config } from '../config.ts'
import type { Log } from '../log.ts'
import { clientAddress, networkOf } from './client-address.ts'
import type { Counter } from './counter.ts'
import { RateLimit, type Standing } from './rate-limit.ts'

type Kind = 'reads' | 'writes'

/** What one connection is counted by. Both throw RATE_LIMITED, and then nothing was counted. */
export interface ClientLimits {
  read(): void
  write(items: number): void
}

export interface RateLimitsOptions {
  config: Pick<Config, 'rateLimitReads' | 'rateLimitWrites' | 'rateLimitWindowSeconds' | 'trustProxy'>
  counter(kind: Kind): Counter
  log: Log
}

export class RateLimits {
  readonly #clientOf: (request: IncomingMessage) => string
  readonly #reads: RateLimit | undefined
  readonly #writes: RateLimit | undefined

  constructor({ config, counter, log }: RateLimitsOptions) {
    const addressOf = clientAddress(config.trustProxy)
    this.#clientOf = (request) => networkOf(addressOf(request))
    const limit = (kind: Kind, name: string, points: number) =>
      points > 0
        ? new RateLimit({
            name,
            unit: kind,
            limit: points,
            windowSeconds: config.rateLimitWindowSeconds,
            counter: counter(kind),
            onRefused: (client) =>
              log.warn({ client, limit: points }, `${name} reached: ${kind} of a client refused`),
          })
        : undefined
    this.#reads = limit('reads', 'RATE_LIMIT_READS', config.rateLimitReads)
    this.#writes = limit('writes', 'RATE_LIMIT_WRITES', config.rateLimitWrites)
  }

  read(request: IncomingMessage, response: ServerResponse): void {
    if (this.#reads) show(response, this.#reads.take(this.#clientOf(request), 1))
  }

  write(request: IncomingMessage, response: ServerResponse, items = 1): void {
    if (this.#writes) show(response, this.#writes.take(this.#clientOf(request), items))
  }

  /** For a socket, by the request it began with. */
  client(request: IncomingMessage): ClientLimits {
    const client = this.#clientOf(request)
    return {
      read: () => void this.#reads?.take(client, 1),
      write: (items) => void this.#writes?.take(client, items),
    }
  }

  /** Requests and events refused since the start, and addresses that are remembered. */
  stats(): { limited: number; addresses: number } {
    const all = [this.#reads, this.#writes].flatMap((limit) => limit?.stats() ?? [])
    return {
      limited: all.reduce((sum, { refused }) => sum + refused, 0),
      addresses: all.reduce((sum, { clients }) => sum + clients, 0),
    }
  }
}

/** Only to those who have used more than half: setting three headers takes 0.3 µs, 2 % of a read from memory; counting 0.07. */
function show(response: ServerResponse, standing: Standing | undefined): void {
  if (standing === undefined) return
  response.setHeader('RateLimit-Limit', standing.limit)
  response.setHeader('RateLimit-Remaining', standing.remaining)
  response.setHeader('RateLimit-Reset', standing.resetSeconds)
}
