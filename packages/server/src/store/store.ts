/**
 * The store: the one place that decides. Everything else in the server is an accelerator in front of it.
 *
 * Inside the server a value is its JSON text (`json`), exactly as the writer sent it, and a time is a number of
 * milliseconds since the epoch. Only the edges (http/, live/) turn them into JSON values and ISO 8601.
 */

/** Latest state of a key. */
export interface Entry {
  key: string
  json: string
  revision: number
  /** When it was committed. */
  at: number
  /** The source's own time of the value. */
  time: number
  expiresAt: number | null
}

/** One step in the log. `json` is null for a delete. */
export interface Change {
  key: string
  revision: number
  at: number
  time: number
  json: string | null
  /** Of the entry this put made; null: does not expire. Known for own commits and from the bus; the log does not tell. */
  expiresAt?: number | null
  /**
   * No change of the log but an absence that a read found: `revision` is the head it was read at. When the key was
   * deleted, at or below that, is not known any more.
   */
  isAbsence?: true
}

interface WriteBase {
  key: string
  /** The source's time; default: the commit's. */
  time?: number
  /** Apply only if the key's revision is this; 0: only if the key has no value. */
  ifRevision?: number
  /** Makes a repeat of this write safe for at least 10 minutes. Unique per store. */
  idempotencyKey?: string
  /** Writes of one commit that share a number are applied all or none; they must be neighbours. */
  atomicGroup?: number
}

export type Write =
  | (WriteBase & {
      op: 'put'
      json: string
      /** The entry expires this long after the commit; absent: never (clears an earlier expiry). */
      ttlMs?: number
      /** A value equal to the present one (as JSON text) makes no change. */
      skipUnchanged?: boolean
    })
  | (WriteBase & { op: 'delete' })
  /** Adds `by` (decimal JSON number) to a number; an absent key counts as 0. Keeps the expiry unless `ttlMs` is given. */
  | (WriteBase & { op: 'increment'; by: string; ttlMs?: number })
  /** Writes the present value again, with a new expiry (`ttlMs`) or none. */
  | (WriteBase & { op: 'touch'; ttlMs?: number })

/** What became of one write. Only `applied` made a change. */
export type CommitResult =
  | { status: 'applied'; change: Change; repeated?: true }
  /** Nothing to do: delete of an absent key (`revision` 0), or `skipUnchanged` and equal. */
  | { status: 'unchanged'; revision: number; repeated?: true }
  /** The condition does not hold; `revision` is the key's present one, 0 if it has no value. */
  | { status: 'conflict'; revision: number; repeated?: true }
  | {
      status: 'failed'
      code: 'KEY_NOT_FOUND' | 'NOT_A_NUMBER' | 'IDEMPOTENCY_MISMATCH' | 'ATOMIC_ABORTED' | 'INVALID_VALUE'
      message: string
    }

export interface HistoryQuery {
  key: string
  /** Order and range are by `time` (default) or by `revision`. */
  by: 'time' | 'revision'
  /** Inclusive lower bound in that unit. */
  from?: number
  /** Exclusive upper bound in that unit. */
  to?: number
  order: 'asc' | 'desc'
  limit: number
  /** Exclusive: go on behind this change in the query's order. */
  after?: { time: number; revision: number }
}

export interface CandleQuery {
  key: string
  interval: CandleInterval
  from?: number
  to?: number
  /** Most buckets wanted. */
  limit: number
  /** Where an earlier page stopped, with the bucket it had not finished. */
  resume?: CandleResume
}

export type CandleInterval = { unit: 'millisecond'; count: number } | { unit: 'month'; count: number }

/** Prices are decimal text, as written. */
export interface Candle {
  time: number
  open: string
  high: string
  low: string
  close: string
  count: number
}

export interface CandleResume {
  after: { time: number; revision: number }
  open?: Candle
}

export interface StoreInfo {
  /** UUID made once with the store, and again when a dump of it is restored, and PostgreSQL's timeline: `uuid.timeline`. */
  storeId: string
  /** E.g. `PostgreSQL 17.5 (embedded, ./data)`. */
  description: string
  /** Of the embedded engine only: during a checkpoint it answers nothing, so their number and length are told. */
  engine?: Readonly<{
    checkpoints: number
    lastCheckpointMs: number
    longestCheckpointMs: number
    walBytesSinceCheckpoint: number
  }>
}

/** What a read found, with the log's head read in the same statement: "as of `head` this was the latest". */
export interface ReadResult {
  head: number
  entries: Map<string, Entry>
  /** For each asked key that has no entry: the revision of its delete, 0 if the log holds none. */
  absent: Map<string, number>
}

/**
 * Guarantees: `commit` resolves only after the batch is on disk; revisions are gap-free and in commit order over
 * all processes on one database; the writes of a batch are decided as if one after the other.
 * Does not: cache, retry a batch on a guess, or run anything unbounded: callers page.
 * Errors: a `LiveKVError` of STORE_FAILED, COMMIT_UNKNOWN (both: see `commit`), REVISION_COMPACTED.
 * An implementer must serialise its own commits (one batch under way per instance) and let commits go before reads.
 */
export interface Store {
  readonly info: StoreInfo
  /**
   * One transaction, one round trip, results in the order of the writes. Rejects with STORE_FAILED and `outcome`
   * `not-applied` when it is certain that nothing was applied, with COMMIT_UNKNOWN when that is not known at the
   * deadline, and with STORE_FAILED and `outcome` `unknown` when the store itself failed for good meanwhile.
   */
  commit(writes: readonly Write[]): Promise<CommitResult[]>
  /** At most 1,000 keys. */
  get(keys: readonly string[]): Promise<ReadResult>
  /**
   * In byte order of the key, after `after`; at most 1,000 entries. `head` as in `get`. A page is also bounded in
   * bytes, so it can be shorter than `limit` before the end: `more` says whether to go on.
   */
  list(page: {
    prefix?: string
    after?: string
    limit: number
  }): Promise<{ head: number; entries: Entry[]; more: boolean }>
  /** Keys and revisions only, for the list of recent keys; as `list`, at most 5,000. */
  listRevisions(page: {
    after?: string
    limit: number
  }): Promise<{ head: number; keys: { key: string; revision: number }[] }>
  /** At most 1,000 changes, bounded in bytes as `list`. Asking for compacted revisions throws REVISION_COMPACTED. */
  history(query: HistoryQuery): Promise<{ changes: Change[]; more: boolean }>
  /** One bounded slice: at most 1,000 rows are read. `resume` absent: finished. */
  candles(query: CandleQuery): Promise<{ candles: Candle[]; resume?: CandleResume }>
  /**
   * Changes with a higher revision, ascending and without a gap, at most 5,000 and bounded in bytes (so: finished when
   * the last one is `head`, which is read in the same statement); throws REVISION_COMPACTED. `timeoutMs`: without an
   * answer by then it fails, and the connection is not used again; the default is made for long reads.
   */
  changesSince(
    revision: number,
    limit: number,
    timeoutMs?: number,
  ): Promise<{ head: number; changes: Change[] }>
  /** The newest changes, descending by revision, at most 5,000 and bounded in bytes: what the Tail is warmed with. */
  latestChanges(limit: number): Promise<{ head: number; changes: Change[] }>
  /**
   * `seen`: a revision that is known to be committed. A head below it, or below one that was read before, is that of
   * another log: the store fails for good. `timeoutMs` as above.
   */
  head(seen?: number, timeoutMs?: number): Promise<number>
  /** Keys whose expiry has passed, with the revision a conditional delete needs; at most 1,000. */
  expired(limit: number): Promise<{ key: string; revision: number }[]>
  ping(): Promise<void>
  close(): Promise<void>
}
