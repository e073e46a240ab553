import type { CommitResult, Entry, Write } from './store/store.ts'

/** What a read answers: the entry, or null with the revision of the delete (0: never written, as far as the log goes). */
export interface Found {
  entry: Entry | null
  revision: number
  /** Head of the log as of which this was the latest. */
  asOf: number
  source: 'cache' | 'database'
}

/**
 * The write path and the read path.
 *
 * After a write was acknowledged no read here gives an older value, and no read of a key ever steps back.
 */
export interface KeyValue {
  /** Group-committed, acknowledged after the commit; results in order. Rejects with OVERLOADED, SHUTTING_DOWN, STORE_FAILED, COMMIT_UNKNOWN. */
  write(writes: readonly Write[]): Promise<CommitResult[]>
  /** Answers in the same tick when the Tail knows. `atLeast`: a revision the answer must reflect (waits a bounded time, then REVISION_NOT_REACHED). */
  get(key: string, atLeast?: number): Found | Promise<Found>
  getMany(keys: readonly string[], atLeast?: number): Promise<Map<string, Found>>
  /** Keys that have a value, most recently changed first; waits a bounded time for the list to be loaded. */
  keys(): Promise<{ keys: string[]; truncated: boolean }>
}
