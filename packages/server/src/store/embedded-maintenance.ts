import type { BackendRows } from './wire.ts'

/**
 * Vacuum in pieces, since nothing else runs it in a single session: at most one table every so often, and only when
 * it pays. While it runs no statement does, so it is put off to a quiet spell as long as that is harmless; updates
 * that stay on their page clean up after themselves without it. No ANALYZE: every plan goes by an index (database.ts),
 * with statistics or without.
 */

const LOOK_EVERY_MS = 15_000
/** Under constant load a table is vacuumed only when this much of it is dead. */
const DEAD_RATIO_BUSY = 0.5
const DEAD_RATIO_QUIET = 0.1
const DEAD_ROWS_MIN = 1000
/** Transaction numbers wrap at two thousand million; a table that old is frozen, load or not. */
const FREEZE_AGE = 200_000_000
const FREEZE_AGE_BUSY = 1_000_000_000

export class Maintenance {
  readonly #query: (sql: string) => BackendRows
  #lookedAt = performance.now()

  constructor(query: (sql: string) => BackendRows) {
    this.#query = query
  }

  /** Runs at most one statement and says which. */
  step(quiet: boolean): { statement: string; durationMs: number } | undefined {
    const startedAt = performance.now()
    if (startedAt - this.#lookedAt < LOOK_EVERY_MS) return undefined
    this.#lookedAt = startedAt
    const statement = this.#pick(quiet)
    if (statement === undefined) return undefined
    const statementAt = performance.now()
    this.#query(statement)
    return { statement, durationMs: performance.now() - statementAt }
  }

  #pick(quiet: boolean): string | undefined {
    const ratio = quiet ? DEAD_RATIO_QUIET : DEAD_RATIO_BUSY
    const freezeAge = quiet ? FREEZE_AGE : FREEZE_AGE_BUSY
    const [row] = this.#query(`
      select c.oid::regclass,
        age(c.relfrozenxid) > ${freezeAge},
        s.n_dead_tup > ${DEAD_ROWS_MIN} + ${ratio} * s.n_live_tup
      from pg_class c join pg_stat_all_tables s on s.relid = c.oid
      where c.relkind in ('r', 't', 'm') and (age(c.relfrozenxid) > ${freezeAge}
        or s.n_dead_tup > ${DEAD_ROWS_MIN} + ${ratio} * s.n_live_tup)
      order by age(c.relfrozenxid) > ${freezeAge} desc, s.n_dead_tup desc limit 1`).rows
    if (!row) return undefined
    const [table, freeze] = row
    // Truncation would take a lock and shrink what grows again.
    if (freeze === 't') return `vacuum (freeze, truncate off) ${table}`
    return `vacuum (truncate off) ${table}`
  }
}
