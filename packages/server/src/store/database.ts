import type { LiveKVError } from '@livekv/protocol'
import type pg from 'pg'
import { parse } from 'pg-connection-string'
import type { Logger } from 'pino'
import { type Options, Sequelize } from 'sequelize'
import type { EmbeddedDatabase } from './embedded.ts'
import { type Lane, Lanes } from './lanes.ts'

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

export interface Statement {
  /** Prepared under this name; unique per text. */
  name: string
  text: string
}

const CONNECT_TIMEOUT_MS = 5_000
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
  #failure: LiveKVError | undefined

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
      pool: { max: poolSize, min: 0, acquire: CONNECT_TIMEOUT_MS + 1_000, idle: 600_000, evict: 60_000 },
      hooks: { afterConnect: (client: unknown) => this.#prepare(client as pg.Client) },
    }
    this.sequelize = new Sequelize(options)
    this.#connections = (
      this.sequelize as unknown as { connectionManager: ConnectionManager }
    ).connectionManager
    this.embedded?.onFailure((error) => {
      this.#failure = error
    })
  }

  /** Rows of one statement. `timeoutMs` bounds connecting and answering, each. */
  async run<Row>(lane: Lane, statement: Statement, values: unknown[], timeoutMs = 10_000): Promise<Row[]> {
    if (this.#failure) throw new NotSentError(this.#failure.message, { cause: this.#failure })
    return this.#lanes.run(lane, () => this.#query<Row>(statement, values, timeoutMs))
  }

  /** For Sequelize's own calls (transactions, models): one at a time with the others' turns respected. */
  async maintain<T>(work: () => Promise<T>): Promise<T> {
    if (this.#failure) throw new NotSentError(this.#failure.message, { cause: this.#failure })
    return this.#lanes.run('bulk', work)
  }

  async close(): Promise<void> {
    await this.sequelize.close()
  }

  async #query<Row>(statement: Statement, values: unknown[], timeoutMs: number): Promise<Row[]> {
    const client = await this.#connect()
    const answerTimeoutMs = this.embedded ? EMBEDDED_ANSWER_TIMEOUT_MS : timeoutMs
    const timer = setTimeout(() => {
      client.connection.stream.destroy(new Error(`the database gave no answer in ${answerTimeoutMs} ms`))
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
      this.#giveBack(client, inDoubt)
    }
  }

  async #connect(): Promise<PooledClient> {
    try {
      return await this.#connections.getConnection({ type: 'write' })
    } catch (error) {
      throw new NotSentError((error as Error).message, { cause: error })
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
    if (!this.embedded) {
      await client.query(SERVER_SESSION)
      await client.query(`select set_config('synchronous_commit', 'on', false)
        where current_setting('synchronous_commit') in ('off', 'local')`)
      await client.query(`select set_config('transaction_timeout', '15s', false)
        where current_setting('server_version_num')::integer >= 170000`)
    }
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
  const { host, port, user, password, database, ssl } = parse(target.url)
  return {
    host: host ?? 'localhost',
    port: Number(port ?? 5432),
    username: user ?? 'postgres',
    ...(password === undefined ? {} : { password }),
    database: database ?? user ?? 'postgres',
    dialectOptions: {
      application_name: 'livekv',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      ...(ssl ? { ssl } : {}),
    },
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
