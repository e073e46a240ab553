import { CircuitState, ConsecutiveBreaker, circuitBreaker, ExponentialBackoff, handleWhen } from 'cockatiel'
import { createClient, ErrorReply } from 'redis'
import { errorText, withoutSecret } from '../error-text.ts'
import type { Log } from '../log.ts'

/** Redis was not asked, or did not answer in time: go on without it. */
export class RedisAwayError extends Error {
  override readonly name = 'RedisAwayError'
}

export type RedisClient = ReturnType<typeof newClient>

export interface RedisConnectionOptions {
  /** `redis:` or `rediss:`, with user and password where there are any. */
  url: string
  log: Pick<Log, 'info' | 'warn'>
  /** What it is for, in the log and in Redis's CLIENT LIST. */
  name: string
}

export interface RedisConnectionStats {
  /** 1 while calls are sent, 0 while they go around Redis. */
  up: number
  /** Calls that were sent and not answered in time, or whose connection broke. */
  failures: number
  /** Calls that went around Redis at once. */
  skipped: number
  /** Connections given up because nothing came back on them. */
  dropped: number
}

/** What a read may be delayed by a Redis that is stopped or far away, until the circuit opens. */
const CALL_TIMEOUT_MS = 100
/** Calls in a row that may fail before the others go around Redis. */
const FAILURES_TO_OPEN = 5
const RETRY_MIN_MS = 100
const RETRY_MAX_MS = 1_000
const BEAT_MS = 500
const CONNECT_TIMEOUT_MS = 2_000
/** Of a connection that is made but not greeted; beats keep any other from being so silent. */
const SILENCE_TIMEOUT_MS = 2_000
const MAX_QUEUED_CALLS = 10_000
/** How long a starting instance waits for Redis. */
const START_TIMEOUT_MS = 1_000

/**
 * One connection to Redis that never holds anybody up:
 *
 *   call -> circuit closed? -> sent -> answered within 100 ms
 *             open: refused at once, until a beat finds Redis answering again
 *
 * `client` stays the same object for good and connects again by itself, with exponential backoff and jitter. A
 * server that is stopped keeps its connections open and says nothing: such a connection is dropped and made anew.
 * An outage is logged once, and its end.
 */
export class RedisConnection {
  readonly client: RedisClient
  readonly #name: string
  readonly #log: RedisConnectionOptions['log']
  readonly #circuit = circuitBreaker(
    // An error that Redis itself answered with says nothing against the connection.
    handleWhen((error) => !(error instanceof ErrorReply)),
    {
      breaker: new ConsecutiveBreaker(FAILURES_TO_OPEN),
      halfOpenAfter: new ExponentialBackoff({ initialDelay: RETRY_MIN_MS, maxDelay: RETRY_MAX_MS }),
    },
  )
  readonly #address: string
  readonly #account: { user: string; password: string }
  #beatTimer: NodeJS.Timeout | undefined
  #reason = 'not connected yet'
  #isAway = false
  #isClosed = false
  /** Kinds of refusals that were logged. */
  readonly #refusals = new Set<string>()
  readonly #counts = { failures: 0, skipped: 0, dropped: 0 }

  constructor({ url, log, name }: RedisConnectionOptions) {
    const { host, protocol, username, password } = new URL(url)
    this.#address = `${protocol}//${host}`
    this.#account = { user: decodeURIComponent(username), password: decodeURIComponent(password) }
    this.#name = name
    this.#log = log
    this.client = newClient(url, name)
    this.client.on('error', (error: Error) => {
      this.#reason = this.#textOf(error)
    })
  }

  /** Begins to connect; resolves when it has, or after a short time without. Never rejects. */
  async start(): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const waited = new Promise((resolve) => {
      timer = setTimeout(resolve, START_TIMEOUT_MS)
    })
    await Promise.race([this.#connect(), waited])
    clearTimeout(timer)
    this.#noteState()
    this.#scheduleBeat()
  }

  /**
   * Rejects within 100 ms when Redis does not answer, and at once while it is known not to: with RedisAwayError or an
   * error of the client. `work` must make one round trip.
   */
  call<T>(work: (client: RedisClient) => Promise<T>): Promise<T> {
    if (this.problem !== null) {
      this.#counts.skipped++
      return Promise.reject(new RedisAwayError(`Redis is away: ${this.#reason}`))
    }
    return this.#attempt(work)
  }

  /** Why it is not used at present, in words for an operator; null: it is. */
  get problem(): string | null {
    if (this.client.isReady && this.#circuit.state === CircuitState.Closed) return null
    return `Redis at ${this.#address} is away: ${this.#reason}.`
  }

  stats(): RedisConnectionStats {
    return { up: this.problem === null ? 1 : 0, ...this.#counts }
  }

  /** Redis answers, and will not do it: no rights, no memory, a replica. Logged once a kind. */
  noteRefusal(error: Error): void {
    const [kind = ''] = error.message.split(' ', 1)
    if (kind === 'NOSCRIPT' || this.#refusals.has(kind)) return
    this.#refusals.add(kind)
    this.#log.warn(
      { redis: this.#address, connection: this.#name, reason: this.#textOf(error) },
      'Redis refuses commands: going on without what they are for',
    )
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#beatTimer)
    this.client.destroy()
  }

  async #attempt<T>(work: (client: RedisClient) => Promise<T>): Promise<T> {
    return this.#circuit.execute(async () => {
      try {
        return await answered(work(this.client))
      } catch (error) {
        if (error instanceof ErrorReply) this.noteRefusal(error)
        else {
          this.#counts.failures++
          if (error instanceof RedisAwayError) this.#reason = error.message
        }
        throw error
      }
    })
  }

  #connect(): Promise<unknown> {
    // It goes on trying by itself; it rejects when it is destroyed meanwhile.
    return this.client.connect().catch(() => {})
  }

  /** Notices an outage and its end without anybody calling, and is what tries an open circuit. */
  #scheduleBeat(): void {
    if (this.#isClosed) return
    this.#beatTimer = setTimeout(async () => {
      if (this.client.isReady) await this.#beat()
      this.#noteState()
      this.#scheduleBeat()
    }, BEAT_MS)
  }

  async #beat(): Promise<void> {
    try {
      await this.#attempt((client) => client.ping())
    } catch (error) {
      // While the circuit is open and not to be tried yet, it is another error.
      if (!(error instanceof RedisAwayError) || this.#circuit.state === CircuitState.Closed) return
      if (!this.client.isReady || this.#isClosed) return
      this.#counts.dropped++
      this.client.destroy()
      void this.#connect()
    }
  }

  /** What Redis or the client said, without what it repeats of commands: the one that logs in is among them. */
  #textOf(error: Error): string {
    const { user, password } = this.#account
    const text = withoutSecret(errorText(error), password)
    // A whole word only: a short name is part of many.
    return user === '' ? text : text.replace(/[^\s'"`]+/g, (word) => (word === user ? '…' : word))
  }

  #noteState(): void {
    const isAway = this.problem !== null
    if (isAway === this.#isAway || this.#isClosed) return
    this.#isAway = isAway
    const details = { redis: this.#address, connection: this.#name }
    if (isAway) this.#log.warn({ ...details, reason: this.#reason }, 'Redis is away: going on without it')
    else this.#log.info(details, 'Redis is back')
  }
}

function newClient(url: string, name: string) {
  return createClient({
    url,
    name: `livekv-${name}`,
    // What cannot be sent at once is done without Redis.
    disableOfflineQueue: true,
    commandsQueueMaxLength: MAX_QUEUED_CALLS,
    maintNotifications: 'disabled',
    socket: {
      connectTimeout: CONNECT_TIMEOUT_MS,
      socketTimeout: SILENCE_TIMEOUT_MS,
      reconnectStrategy: (retries) => backoffMs(retries),
    },
  })
}

/** Random, so that the instances do not all come back in the same moment. */
function backoffMs(retries: number): number {
  return Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** retries) * (0.5 + Math.random() / 2)
}

/** The client's own timeout ends only what is still waiting to be sent. */
function answered<T>(answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const fail = () => reject(new RedisAwayError(`no answer in ${CALL_TIMEOUT_MS} ms`))
    // The answer may lie in the socket while this process was busy: it is looked for once more.
    const timer = setTimeout(() => setImmediate(fail), CALL_TIMEOUT_MS)
    answer.finally(() => clearTimeout(timer)).then(resolve, reject)
  })
}
