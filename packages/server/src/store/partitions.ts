import type { Logger } from 'pino'
import { QueryTypes, type Sequelize, type Transaction } from 'sequelize'
import { sqlStateOf } from './database.ts'

/**
 * The partitions of `changes`: made ahead of need, dropped when the log is longer than it should be.
 *
 * A partition is made as a table of its own and then attached, and detached before it is dropped, each with a short
 * lock_timeout and tried again at the next round: `create … partition of` and a drop in place would wait for every
 * open reader while all writers wait behind them.
 *
 * The floor rises (`compacted_through`) before the rows go, so that nobody reads a log with a hole in it.
 */
export interface Retention {
  /** Changes kept at least; whole partitions below are dropped. */
  maxChanges: number
  /** Changes older than this are dropped too, partition by partition. */
  maxAgeMs: number | undefined
}

const LOCK = 7_203_142
const LOCK_NOT_AVAILABLE = '55P03'

interface Partition {
  name: string
  from: number
  to: number
}

export class Partitions {
  readonly #sequelize: Sequelize
  readonly #size: number
  readonly #retention: Retention
  readonly #log: Logger

  constructor(options: { sequelize: Sequelize; size: number; retention: Retention; log: Logger }) {
    this.#sequelize = options.sequelize
    this.#size = options.size
    this.#retention = options.retention
    this.#log = options.log
  }

  /** Makes sure that there is room for at least half a partition of changes more. */
  async extend(): Promise<void> {
    await this.#exclusively(async (transaction) => {
      const head = await this.#head(transaction)
      const end = Math.max(1, ...(await this.#list(transaction)).map(({ to }) => to))
      for (let from = end; from <= head + this.#size / 2 + 1; from += this.#size)
        await this.#add(from, transaction)
    })
  }

  /** Drops at most one partition; resolves to whether it did. */
  async compact(): Promise<boolean> {
    try {
      return await this.#compact()
    } catch (error) {
      if (sqlStateOf((error as { original?: unknown }).original ?? error) !== LOCK_NOT_AVAILABLE) throw error
      this.#log.debug('a reader is in the oldest partition; it will be dropped later')
      return false
    }
  }

  async #compact(): Promise<boolean> {
    const dropped = await this.#exclusively(async (transaction) => {
      const [oldest, next] = await this.#list(transaction)
      if (oldest === undefined || next === undefined) return undefined
      if (!(await this.#isBelowFloor(oldest, transaction))) return undefined
      await this.#sql(
        'update store set compacted_through = greatest(compacted_through, $1)',
        [oldest.to - 1],
        transaction,
      )
      await this.#sql(`alter table changes detach partition ${oldest.name}`, [], transaction)
      return oldest
    })
    for (const { name } of await this.#detached()) await this.#sql(`drop table if exists ${name}`, [])
    if (dropped) this.#log.info({ compactedThrough: dropped.to - 1 }, 'dropped the oldest part of the log')
    return dropped !== undefined
  }

  async #isBelowFloor(partition: Partition, transaction: Transaction): Promise<boolean> {
    if (partition.to - 1 <= (await this.#head(transaction)) - this.#retention.maxChanges) return true
    if (this.#retention.maxAgeMs === undefined) return false
    const [last] = await this.#sql<{ old: boolean }>(
      `select at < clock_timestamp() - $1 * interval '1 millisecond' as old from changes
        where revision >= $2 and revision < $3 order by revision desc limit 1`,
      [this.#retention.maxAgeMs, partition.from, partition.to],
      transaction,
    )
    return last?.old === true && (await this.#head(transaction)) >= partition.to - 1
  }

  async #add(from: number, transaction: Transaction): Promise<void> {
    const name = `changes_${from}`
    const to = from + this.#size
    await this.#sql(
      `create table ${name} (like changes including defaults including indexes including constraints)`,
      [],
      transaction,
    )
    await this.#sql(
      `alter table changes attach partition ${name} for values from (${from}) to (${to})`,
      [],
      transaction,
    )
  }

  async #list(transaction: Transaction): Promise<Partition[]> {
    const rows = await this.#sql<{ name: string; bounds: string }>(
      `select c.relname as name, pg_get_expr(c.relpartbound, c.oid) as bounds
         from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'changes'::regclass`,
      [],
      transaction,
    )
    const partitions = rows.map(({ name, bounds }) => {
      const [from, to] = bounds.match(/\d+/g) ?? []
      return { name, from: Number(from), to: Number(to) }
    })
    return partitions.sort((a, b) => a.from - b.from)
  }

  /** Left behind by a process that ended between detaching and dropping. */
  #detached(): Promise<{ name: string }[]> {
    return this.#sql(`select c.relname as name from pg_class c
      where c.relkind = 'r' and c.relname ~ '^changes_[0-9]+$' and not c.relispartition
        and c.relnamespace = (select relnamespace from pg_class where oid = 'changes'::regclass)`)
  }

  async #head(transaction: Transaction): Promise<number> {
    const [row] = await this.#sql<{ revision: string }>('select revision from counter', [], transaction)
    return Number(row?.revision ?? 0)
  }

  /** One process at a time, and never waiting long for a lock that others wait behind. */
  #exclusively<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    return this.#sequelize.transaction(async (transaction) => {
      await this.#sql("set local lock_timeout = '100ms'", [], transaction)
      await this.#sql('select pg_advisory_xact_lock($1)', [LOCK], transaction)
      return work(transaction)
    })
  }

  #sql<Row extends object>(sql: string, bind: unknown[] = [], transaction?: Transaction): Promise<Row[]> {
    return this.#sequelize.query<Row>(sql, {
      bind,
      type: QueryTypes.SELECT,
      ...(transaction ? { transaction } : {}),
    })
  }
}
