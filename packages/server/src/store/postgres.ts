import { setTimeout as sleep } from 'node:timers/promises'
import { LiveKVError } from '@livekv/protocol'
import type { Logger } from 'pino'
import { Op } from 'sequelize'
import type { PublishedMark } from '../bus/published-mark.ts'
import { StartError } from '../start-error.ts'
import { readCandles } from './candles.ts'
import { createDatabaseIfMissing } from './create-database.ts'
import { Database, type DatabaseTarget } from './database.ts'
import { databaseAddress } from './database-address.ts'
import { readChangesSince, readHistory } from './history.ts'
import { migrate } from './migrate.ts'
import { defineModels, type Models } from './models.ts'
import { Partitions, type Retention } from './partitions.ts'
import { PostgresMark } from './postgres-mark.ts'
import { readExpired, readHead, readKeys, readLatestChanges, readList, readRevisions } from './reads.ts'
import type { CandleQuery, CommitResult, HistoryQuery, Store, StoreInfo, Write } from './store.ts'
import { KnownStore, STORE_IDENTITY, type StoreIdentity } from './store-identity.ts'
import { Writer } from './writer.ts'

export interface PostgresStoreOptions {
  database: DatabaseTarget
  retention: Retention
  log: Logger
  /** Changes in a partition of the log. */
  partitionSize?: number
  /** After which a commit without an answer is COMMIT_UNKNOWN. */
  commitDeadlineMs?: number
}

/** At the default of 100 million changes: 25 partitions, and the history shortens by a twenty-fifth at a time. */
const PARTITION_SIZE = 4_000_000
const COMMIT_DEADLINE_MS = 15_000
const MAINTENANCE_MS = 1_000
/** At least; at most twice that and ROTATE_EVERY_MS. */
const IDEMPOTENCY_KEPT_MS = 15 * 60_000
const ROTATE_EVERY_MS = 60_000
const WRITERS_KEPT_MS = 7 * 86_400_000
const SERVER_VERSION_MIN = 150_000

/** The Store on PostgreSQL: a server, or the embedded engine, which is one too. */
export class PostgresStore implements Store {
  /** Which changes the bus has carried. */
  readonly mark: PublishedMark
  readonly #info: StoreInfo
  readonly #known: KnownStore
  readonly #database: Database
  readonly #models: Models
  readonly #writer: Writer
  readonly #partitions: Partitions
  readonly #log: Logger
  #rotateAt = 0
  readonly #stop = new AbortController()
  readonly #maintenance: Promise<void>

  static async open(options: PostgresStoreOptions): Promise<PostgresStore> {
    if ('url' in options.database)
      await createDatabaseIfMissing(databaseAddress(options.database.url), options.log)
    const database = new Database(options.database, options.log)
    try {
      await checkServer(database)
      await migrate(database.sequelize)
      const partitions = new Partitions({
        sequelize: database.sequelize,
        size: options.partitionSize ?? PARTITION_SIZE,
        retention: options.retention,
        log: options.log,
      })
      await partitions.extend()
      const writer = new Writer({
        database,
        log: options.log,
        deadlineMs: options.commitDeadlineMs ?? COMMIT_DEADLINE_MS,
        extendLog: () => database.maintain(() => partitions.extend()),
      })
      await writer.register()
      const [identity] = await database.run<StoreIdentity>('read', STORE_IDENTITY, [])
      const known = new KnownStore(identity as StoreIdentity)
      database.stayWith(known)
      const version = (identity as StoreIdentity).version.split(' ')[0]
      const description = database.embedded?.description ?? `PostgreSQL ${version}`
      return new PostgresStore(database, writer, partitions, known, description, options.log)
    } catch (error) {
      await database.close().catch(() => {})
      throw error
    }
  }

  private constructor(
    database: Database,
    writer: Writer,
    partitions: Partitions,
    known: KnownStore,
    description: string,
    log: Logger,
  ) {
    this.#database = database
    this.mark = new PostgresMark(database)
    this.#models = defineModels(database.sequelize)
    this.#writer = writer
    this.#partitions = partitions
    this.#known = known
    this.#info = { storeId: known.storeId, description }
    this.#log = log
    this.#maintenance = this.#maintain()
  }

  get info(): StoreInfo {
    const engine = this.#database.embedded?.stats
    return engine ? { ...this.#info, engine } : this.#info
  }

  async commit(writes: readonly Write[]): Promise<CommitResult[]> {
    const leastHead = this.#known.head
    const results = await this.#writer.commit(writes)
    for (const result of results) {
      if (result.status !== 'applied' || result.repeated) continue
      const { revision } = result.change
      // They are applied, but in another log than the one that is known here.
      if (revision <= leastHead) void this.#database.disownStore()
      this.#known.noteHead(revision)
    }
    return results
  }

  get(keys: readonly string[]) {
    return this.#readingHead(readKeys(this.#database, keys), keys.length > 0)
  }

  list(page: { prefix?: string; after?: string; limit: number }) {
    return this.#readingHead(readList(this.#database, page))
  }

  listRevisions(page: { after?: string; limit: number }) {
    return this.#readingHead(readRevisions(this.#database, page))
  }

  history(query: HistoryQuery) {
    return this.#reading(readHistory(this.#database, query))
  }

  candles(query: CandleQuery) {
    return this.#reading(readCandles(this.#database, query))
  }

  changesSince(revision: number, limit: number, timeoutMs?: number) {
    return this.#readingHead(readChangesSince(this.#database, revision, limit, timeoutMs))
  }

  latestChanges(limit: number) {
    return this.#readingHead(readLatestChanges(this.#database, limit))
  }

  async head(seen = 0, timeoutMs?: number) {
    this.#known.noteHead(seen)
    return (await this.#readingHead(readHead(this.#database, timeoutMs))).head
  }

  expired(limit: number) {
    return this.#reading(readExpired(this.#database, limit))
  }

  /**
   * Called when nothing but opening it again helps: the embedded engine has ended by itself, or the database is another
   * one than it was (a standby took over, a backup was restored). A server that is away comes back.
   */
  onFailure(listener: (error: LiveKVError) => void): void {
    this.#database.onFailure(listener)
  }

  /**
   * Before `close`, when there is no time left to wait for a server that is away: what is under way rejects at once, as
   * what it is, not applied or unknown.
   */
  giveUp(): void {
    this.#database.giveUp()
  }

  async ping(): Promise<void> {
    await this.head()
  }

  /** Waits for the batch under way. */
  async close(): Promise<void> {
    this.#stop.abort()
    await this.#maintenance
    await this.#writer.idle()
    await this.#database.close()
    await this.#database.embedded?.close()
  }

  /** Call it in the tick in which the read begins. A head never falls: one that did is another log's. */
  async #readingHead<T extends { head: number }>(read: Promise<T>, hasHead = true): Promise<T> {
    const leastHead = this.#known.head
    const result = await this.#reading(read)
    if (!hasHead) return result
    if (result.head < leastHead) throw await this.#database.disownStore()
    this.#known.noteHead(result.head)
    return result
  }

  async #reading<T>(read: Promise<T>): Promise<T> {
    try {
      return await read
    } catch (error) {
      if (error instanceof LiveKVError) throw error
      throw new LiveKVError(
        'STORE_FAILED',
        'The database could not be read. Try again in a moment.',
        { retryAfterSeconds: 1 },
        error,
      )
    }
  }

  /** Makes room ahead, drops what is too old, forgets idempotency keys and writers of long ago; in small steps. */
  async #maintain(): Promise<void> {
    const signal = this.#stop.signal
    while (!signal.aborted) {
      try {
        await sleep(MAINTENANCE_MS, undefined, { signal })
        await this.#database.checkStore()
        await this.#database.maintain(() => this.#partitions.extend())
        await this.#database.maintain(() => this.#partitions.compact())
        await this.#rotateTokens()
        await this.#database.maintain(() => this.#writer.stayKnown())
        await this.#database.maintain(() => this.#forgetWriters())
      } catch (error) {
        if (!signal.aborted) this.#log.warn({ err: error }, 'maintenance of the store will be tried again')
      }
    }
  }

  /** Every so often, so that a backup which holds the lock is not asked for it all the time. */
  async #rotateTokens(): Promise<void> {
    if (performance.now() < this.#rotateAt) return
    this.#rotateAt = performance.now() + ROTATE_EVERY_MS
    await this.#database.run('bulk', ROTATE_TOKENS, [IDEMPOTENCY_KEPT_MS])
  }

  async #forgetWriters(): Promise<void> {
    await this.#models.writers.destroy({
      where: { seenAt: { [Op.lt]: new Date(Date.now() - WRITERS_KEPT_MS) } },
    })
  }
}

async function checkServer(database: Database): Promise<void> {
  const [row] = await database.run<{ version: number; fsync: string }>('read', SERVER, [])
  if (row === undefined) return
  if (row.version < SERVER_VERSION_MIN) {
    throw new StartError(
      `The PostgreSQL server is version ${Math.floor(row.version / 10_000)}; LiveKV needs 15 or later.`,
    )
  }
  if (!database.embedded && row.fsync === 'off') {
    throw new StartError(
      'The PostgreSQL server runs with fsync=off, so a power cut would lose writes that were acknowledged. Set fsync=on in postgresql.conf and restart it.',
    )
  }
}

const ROTATE_TOKENS = { name: 'livekv-rotate-tokens', text: 'call livekv_rotate_tokens($1)' }

const SERVER = {
  name: 'livekv-server',
  text: `select current_setting('server_version_num')::integer as version, current_setting('fsync') as fsync`,
}
