import { LiveKVError } from '@livekv/protocol'
import {
  BrokenCircuitError,
  ConsecutiveBreaker,
  circuitBreaker,
  ExponentialBackoff,
  halfJitterGenerator,
  handleAll,
} from 'cockatiel'
import pg from 'pg'
import type { Logger } from 'pino'
import { type Options, Sequelize } from 'sequelize'
import { databaseAddress } from './database-address.ts'
import { DatabaseClient } from './database-client.ts'
import type { EmbeddedDatabase } from './embedded.ts'
import { type Lane, Lanes } from './lanes.ts'
import { type KnownStore, STORE_IDENTITY, type StoreIdentity } from './store-identity.ts'

/**
 * The way to PostgreSQL: Sequelize's pool, models and migrations, and for the hot statements prepared SQL with binds
 * on a connection of that pool. The same for a server and for the embedded engine, which speaks the same protocol.
 *
 * Guarantees: every statement is answered, refused or given up within its time; a connection that is in doubt is
 * destroyed, never used again. Rejects with NotSentError, with STORE_FAILED when the embedded engine failed meanwhile,
 * or with the driver's error; `sqlStateOf` tells a server's answer from silence.
 */
export type DatabaseTarget = { url: string; poolSize: number } | { embedded: EmbeddedDatabase }

/** There is no connection, or the engine has failed: the statement was not sent. */
export class NotSentError extends Error {
  override readonly name = 'NotSentError'
}

/** It was sent, and nothing has come back in time. */
class SilenceError extends Error {
  override readonly name = 'SilenceError'
}

export interface Statement {
  /** Prepared under this name; unique per text. */
  name: string
  text: string
}

/** Connecting, logging in and the settings of the session, and some time in the queue of the pool. */
const ACQUIRE_TIMEOUT_MS = 6_000
/** So many attempts to connect that failed one after the other; then none is made for a moment. */
const FAILURES_TO_OPEN = 3
const FIRST_REST_MS = 200
const LONGEST_REST_MS = 2_000
const ANSWER_TIMEOUT_MS = 10_000
/** Hundreds of times what a read of a page takes. */
const SOON_MS = 2_000
/** Above the engine's own watchdog, so that it is the engine that says what happened. */
const EMBEDDED_ANSWER_TIMEOUT_MS = 90_000

/** All statements go by index; a plan made while a table was small must not turn into a scan when it has grown. */
const PLANNER = `set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off;
  set enable_bitmapscan = off; set enable_sort = off; set jit = off;`

/**
 * Against a client that is stopped or deaf while its transaction holds the counter row. `statement_timeout` alone
 * does not end a statement that waits to send its answer; `tcp_user_timeout` does.
 */
const SERVER_SESSION = `set statement_timeout = '10s'; set idle_in_transaction_session_timeout = '5s';
  set tcp_user_timeout = '5s'; set tcp_keepalives_idle = 5; set tcp_keepalives_interval = 2; set tcp_keepalives_count = 3;`

/** A DatabaseClient, if it leads to a server. */
type PooledClient = pg.Client & { connection: { stream: { destroy(error?: Error): void } } }

/** The part of Sequelize's connection manager that is used; its own types leave it out. */
interface ConnectionManager {
  getConnection(options: { type: 'write' }): Promise<PooledClient>
  releaseConnection(client: PooledClient): void
  destroyConnection(client: PooledClient): Promise<void>
}

export class Database {
  readonly sequelize: Sequelize
  readonly embedded: EmbeddedDatabase | undefined
  readonly #connections: ConnectionManager
  readonly #lanes: Lanes
  readonly #log: Logger
  /** Without it everybody who reads while the server cannot be reached would wait for a connection in vain. */
  readonly #circuit = circuitBreaker(handleAll, {
    breaker: new ConsecutiveBreaker(FAILURES_TO_OPEN),
    halfOpenAfter: new ExponentialBackoff({
      initialDelay: FIRST_REST_MS,
      maxDelay: LONGEST_REST_MS,
      generator: halfJitterGenerator,
    }),
  })
  /** All that are open, and those of them that run a statement of `run`. */
  readonly #clients = new Set<DatabaseClient>()
  readonly #running = new Set<PooledClient>()
  readonly #failureListeners: ((error: LiveKVError) => void)[] = []
  #failure: LiveKVError | undefined
  #store: KnownStore | undefined
  readonly #giveUp = new AbortController()

  constructor(target: DatabaseTarget, log: Logger) {
    this.#log = log
    this.embedded = 'embedded' in target ? target.embedded : undefined
    const poolSize = 'embedded' in target ? 1 : Math.max(2, target.poolSize)
    this.#lanes = new Lanes(poolSize)
    const options: Options & { databaseVersion: string } = {
      ...connectionOptions(target),
      dialect: 'postgres',
      // (Its types leave databaseVersion out.) The store asks the server itself; this spares a connection made for
      // the question alone.
      databaseVersion: '15.0.0',
      logging: false,
      define: { timestamps: false, underscored: true },
      pool: { max: poolSize, min: 0, acquire: ACQUIRE_TIMEOUT_MS, idle: 600_000, evict: 60_000 },
      hooks: { afterConnect: (client: unknown) => this.#prepare(client as pg.Client) },
    }
    this.sequelize = new Sequelize(options)
    this.#connections = (
      this.sequelize as unknown as { connectionManager: ConnectionManager }
    ).connectionManager
    this.embedded?.onFailure((error) => this.#fail(error))
  }

  /** Called when no statement will be run any more. */
  onFailure(listener: (error: LiveKVError) => void): void {
    this.#failureListeners.push(listener)
    if (this.#failure) listener(this.#failure)
  }

  /**
   * From now on every new connection must lead to this store. A failover, and a database that is dropped, end all
   * connections, so that no statement reaches another store: what this process knows of revisions is not true there.
   */
  stayWith(store: KnownStore): void {
    this.#store = store
  }

  /** For what happens under open connections: a dump restored over the tables. */
  async checkStore(): Promise<void> {
    const store = this.#store
    if (store === undefined || this.embedded || this.#failure) return
    const leastHead = store.head
    const [found] = await this.run<StoreIdentity>('read', STORE_IDENTITY, [])
    const result = store.compare(found, leastHead)
    if (result === 'shorter') await this.disownStore()
    if (result === 'another') this.#leave()
  }

  /** The log has lost its end: nothing is run here any more. Resolves with what to tell those who wait. */
  async disownStore(): Promise<LiveKVError> {
    await this.#store?.disown((statement, values) => this.run('read', statement, values)).catch(() => {})
    return this.#leave()
  }

  /** Rows of one statement. `timeoutMs` bounds connecting and answering, each. */
  async run<Row>(
    lane: Lane,
    statement: Statement,
    values: unknown[],
    timeoutMs = ANSWER_TIMEOUT_MS,
  ): Promise<Row[]> {
    if (this.#failure) throw new NotSentError(this.#failure.message, { cause: this.#failure })
    return this.#lanes.run(lane, () => this.#query<Row>(statement, values, timeoutMs))
  }

  /**
   * As `run`, of a read that takes milliseconds and that watchers wait for: if no answer comes soon, it is asked once
   * more, on another connection. Connections die in silence. `timeoutMs`: the caller asks again by itself.
   */
  async ask<Row>(
    lane: 'read' | 'bulk',
    statement: Statement,
    values: unknown[],
    timeoutMs?: number,
  ): Promise<Row[]> {
    if (timeoutMs !== undefined) return this.run<Row>(lane, statement, values, timeoutMs)
    try {
      return await this.run<Row>(lane, statement, values, SOON_MS)
    } catch (error) {
      if (!(error instanceof SilenceError)) throw error
      return this.run<Row>(lane, statement, values, ANSWER_TIMEOUT_MS - SOON_MS)
    }
  }

  /**
   * The process is about to end: the server is waited for no longer. What was not sent rejects with NotSentError, what waits
   * for an answer with an error that is none of the server's. Not of the embedded engine, which is never away.
   */
  giveUp(): void {
    if (this.embedded) return
    this.#giveUp.abort(
      new LiveKVError('SHUTTING_DOWN', 'This instance is stopping, and the database did not answer in time.'),
    )
    for (const client of this.#clients) client.cut('given up: this instance is stopping')
  }

  /** Aborted by `giveUp`. */
  get givenUp(): AbortSignal {
    return this.#giveUp.signal
  }

  /** For Sequelize's own calls (transactions, models): one at a time with the others' turns respected. */
  async maintain<T>(work: () => Promise<T>): Promise<T> {
    if (this.#failure) throw new NotSentError(this.#failure.message, { cause: this.#failure })
    return this.#lanes.run('bulk', () => this.#orGivenUp(work()))
  }

  async close(): Promise<void> {
    const closed = this.sequelize.close()
    // Connections that were being made end by themselves, within seconds.
    await this.#orGivenUp(closed).catch((error) => {
      if (!this.givenUp.aborted) throw error
    })
  }

  async #query<Row>(statement: Statement, values: unknown[], timeoutMs: number): Promise<Row[]> {
    const client = await this.#connect()
    this.#running.add(client)
    const answerTimeoutMs = this.embedded ? EMBEDDED_ANSWER_TIMEOUT_MS : timeoutMs
    const timer = setTimeout(() => {
      client.connection.stream.destroy(
        new SilenceError(`the database gave no answer in ${answerTimeoutMs} ms`),
      )
      this.#dropIdle()
    }, answerTimeoutMs)
    let inDoubt = true
    try {
      const { rows } = await client.query({ ...statement, values })
      inDoubt = false
      return rows as Row[]
    } catch (error) {
      inDoubt = sqlStateOf(error) === undefined || isFatal(error)
      throw (inDoubt ? this.#failure : undefined) ?? error
    } finally {
      clearTimeout(timer)
      this.#running.delete(client)
      this.#giveBack(client, inDoubt)
    }
  }

  async #connect(): Promise<PooledClient> {
    const connect = () => this.#connections.getConnection({ type: 'write' })
    try {
      if (this.embedded) return await connect()
      this.givenUp.throwIfAborted()
      const connecting = this.#circuit.execute(connect)
      // Nobody has a use for it any more.
      const drop = (client: PooledClient) => this.givenUp.aborted && this.#giveBack(client, true)
      connecting.then(drop, () => {})
      return await this.#orGivenUp(connecting)
    } catch (error) {
      const { lastFailure } = this.#circuit
      const cause =
        error instanceof BrokenCircuitError && lastFailure && 'error' in lastFailure
          ? lastFailure.error
          : error
      throw new NotSentError((cause as Error).message, { cause })
    }
  }

  /** Rejects as soon as the server is given up. */
  #orGivenUp<T>(work: Promise<T>): Promise<T> {
    const signal = this.givenUp
    return new Promise((resolve, reject) => {
      const giveUp = () => reject(signal.reason)
      if (signal.aborted) giveUp()
      signal.addEventListener('abort', giveUp)
      work.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp))
    })
  }

  /** Where one connection has died in silence the others have too: each would cost the next statement its whole time. */
  #dropIdle(): void {
    for (const client of this.#clients) {
      if (client.isIdle && !this.#running.has(client as unknown as PooledClient)) {
        client.cut('another connection gave no answer')
      }
    }
  }

  #giveBack(client: PooledClient, inDoubt: boolean): void {
    try {
      if (inDoubt) {
        client.connection.stream.destroy()
        this.#connections.destroyConnection(client).catch(() => {})
      } else {
        this.#connections.releaseConnection(client)
      }
    } catch (error) {
      // The pool has dropped it by itself, on the connection's own `error` event.
      this.#log.debug({ err: error }, 'connection was already gone')
    }
  }

  async #prepare(client: pg.Client): Promise<void> {
    await client.query(PLANNER)
    if (!(client instanceof DatabaseClient)) return
    await client.query(SERVER_SESSION)
    await client.query(`select set_config('synchronous_commit', 'on', false)
      where current_setting('synchronous_commit') in ('off', 'local')`)
    await client.query(`select set_config('transaction_timeout', '15s', false)
      where current_setting('server_version_num')::integer >= 170000`)
    await this.#checkIdentity(client)
    client.becomeReady()
    this.#clients.add(client)
    client.once('end', () => this.#clients.delete(client))
  }

  async #checkIdentity(client: DatabaseClient): Promise<void> {
    const store = this.#store
    if (store === undefined) return
    const leastHead = store.head
    const { rows } = await client.query<StoreIdentity>(STORE_IDENTITY.text)
    const result = store.compare(rows[0], leastHead)
    if (result === 'same') return
    if (result === 'shorter') {
      await store.disown(({ text }, values) => client.query(text, values)).catch(() => {})
    }
    throw this.#leave()
  }

  #leave(): LiveKVError {
    this.#fail(
      new LiveKVError(
        'STORE_FAILED',
        'The database is not the one it was: a standby took over, or a backup was restored. This instance ends, to begin anew with what is there.',
        { outcome: 'not-applied', retryAfterSeconds: 1 },
      ),
    )
    return this.#failure as LiveKVError
  }

  #fail(error: LiveKVError): void {
    if (this.#failure) return
    this.#failure = error
    for (const listener of this.#failureListeners) listener(error)
  }
}

function connectionOptions(target: DatabaseTarget) {
  if ('embedded' in target) {
    return {
      username: 'postgres',
      database: 'postgres',
      dialectOptions: { stream: () => target.embedded.connect() },
    }
  }
  const { host, port, user, password, database, ssl } = databaseAddress(target.url)
  return {
    host,
    port,
    username: user,
    ...(password === undefined ? {} : { password }),
    database,
    dialectModule: Object.create(pg, { Client: { value: DatabaseClient } }) as object,
    dialectOptions: { application_name: 'livekv', keepAlive: true, ssl },
  }
}

/** The SQLSTATE the server gave, or undefined when what came was no answer of the server. */
export function sqlStateOf(error: unknown): string | undefined {
  const { severity, code } = error as { severity?: unknown; code?: unknown }
  return typeof severity === 'string' && typeof code === 'string' ? code : undefined
}

function isFatal(error: unknown): boolean {
  const { severity } = error as { severity?: unknown }
  return severity === 'FATAL' || severity === 'PANIC'
}
