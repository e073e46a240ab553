/**
 * How much one client may do in a window, on all instances together.
 *
 *   take -> is that much left, as far as is known here? -> yes: spent, in this tick
 *                                                        -> no: RATE_LIMITED, and nothing is spent
 *   a chunk was spent here -> told to the counter, behind the scenes -> now known here: what all instances have spent
 *
 * No request waits for the counter, and at full speed a client costs it a few calls a second. The price is slack: each
 * instance may let through a chunk (1 % of the limit) that the others were not told of, and what comes while its
 * telling is under way. One instance alone is exact.
 */
import { LiveKVError } from '@livekv/protocol'
import type { Counter } from './counter.ts'

const CHUNKS = 100
/** Clients remembered; past it the one whose window began first is forgotten, and begins anew. */
const MAX_CLIENTS = 50_000

/** How a client stands after what it took. */
export interface Standing {
  limit: number
  remaining: number
  resetSeconds: number
}

interface Account {
  /** In this window, on all instances as far as is known. */
  spent: number
  /** The part of it that the counter was not told yet. */
  untold: number
  endsMs: number
  isTelling: boolean
  isRefused: boolean
}

export interface RateLimitOptions {
  /** Of the setting, for messages. */
  name: string
  /** What is counted, for messages. */
  unit: string
  limit: number
  windowSeconds: number
  /** Of windows of that length. */
  counter: Counter
  /** Once in a window for each client. */
  onRefused(client: string): void
  maxClients?: number
}

export class RateLimit {
  readonly #options: RateLimitOptions
  readonly #limit: number
  readonly #chunk: number
  /** In the order in which their windows began here. */
  readonly #accounts = new Map<string, Account>()
  #refused = 0

  constructor(options: RateLimitOptions) {
    this.#options = options
    this.#limit = options.limit
    this.#chunk = Math.max(1, Math.floor(options.limit / CHUNKS))
  }

  /** Throws, and takes nothing, if fewer are left; answers only if less than half is. */
  take(client: string, points: number): Standing | undefined {
    const nowMs = performance.now()
    const account = this.#account(client, nowMs)
    const spent = account.spent + points
    if (spent > this.#limit) throw this.#refusal(client, points, account, nowMs)
    account.spent = spent
    account.untold += points
    if (account.untold >= this.#chunk && !account.isTelling) void this.#tell(client, account)
    return spent * 2 > this.#limit ? this.#standing(account, nowMs) : undefined
  }

  /** Requests refused since the start, and clients that are remembered. */
  stats(): { refused: number; clients: number } {
    return { refused: this.#refused, clients: this.#accounts.size }
  }

  #account(client: string, nowMs: number): Account {
    const known = this.#accounts.get(client)
    if (known !== undefined && nowMs < known.endsMs) return known
    const { counter, windowSeconds, maxClients = MAX_CLIENTS } = this.#options
    if (known) this.#accounts.delete(client)
    // Two for each new one keeps the rest small without a timer.
    let looked = 0
    for (const [oldest, { endsMs }] of this.#accounts) {
      if (this.#accounts.size < maxClients && (endsMs > nowMs || looked === 2)) break
      looked++
      this.#accounts.delete(oldest)
      counter.forget(oldest)
    }
    const account = {
      spent: 0,
      untold: 0,
      endsMs: nowMs + windowSeconds * 1_000,
      isTelling: false,
      isRefused: false,
    }
    this.#accounts.set(client, account)
    return account
  }

  async #tell(client: string, account: Account): Promise<void> {
    account.isTelling = true
    while (account.untold >= this.#chunk) {
      const points = account.untold
      account.untold = 0
      const { spent, endsInMs } = await this.#options.counter.add(client, points)
      // Less than is known here: the counter was emptied, or another one has taken over. The window goes on as it was.
      if (spent + account.untold < account.spent) continue
      account.spent = spent + account.untold
      account.endsMs = performance.now() + endsInMs
    }
    account.isTelling = false
  }

  #standing({ spent, endsMs }: Account, nowMs: number): Standing {
    return {
      limit: this.#limit,
      remaining: Math.max(0, this.#limit - spent),
      resetSeconds: Math.max(1, Math.ceil((endsMs - nowMs) / 1_000)),
    }
  }

  #refusal(client: string, points: number, account: Account, nowMs: number): LiveKVError {
    const { name, unit, windowSeconds, onRefused } = this.#options
    if (points > this.#limit) {
      return new LiveKVError(
        'BATCH_TOO_LARGE',
        `${points} ${unit} at once: at most ${this.#limit} are let through in ${windowSeconds} s (${name}). Split it.`,
      )
    }
    this.#refused++
    if (!account.isRefused) onRefused(client)
    account.isRefused = true
    const { limit, remaining, resetSeconds } = this.#standing(account, nowMs)
    return new LiveKVError(
      'RATE_LIMITED',
      `${points} more ${unit} of ${client} were not taken: ${remaining} are left of ${limit} in ${windowSeconds} s (${name}). Try again in ${resetSeconds} s, and more slowly.`,
      { limit, remaining, retryAfterSeconds: resetSeconds },
    )
  }
}
