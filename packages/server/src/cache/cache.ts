import type { Entry } from '../store/store.ts'

/**
 * "As of head `asOf`, `entry` was the latest state of the key"; `entry` null: it had none, and `deletedAt` is the
 * revision of its delete (0: none in the log).
 */
export interface CachedItem {
  key: string
  entry: Entry | null
  /** Revision of the entry, or of the delete when absent. */
  revision: number
  asOf: number
}

/**
 * May lose items and may give old ones: the Tail decides what is believed. Never rejects: a failing cache
 * answers with nothing. Bounded in memory.
 */
export interface Cache {
  get(keys: readonly string[]): Promise<Map<string, CachedItem>> | Map<string, CachedItem>
  /** Keeps the item unless it holds one of a higher `asOf` for the key. */
  set(items: readonly CachedItem[]): void
  /** Why it answers with nothing or takes nothing at present, in words for an operator; null: it works. */
  readonly problem: string | null
  close(): Promise<void>
}
