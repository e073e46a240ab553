/** What the clients of a fault run keep of what they asked and were told. Times are ms since the run began. */

export type Op = 'put' | 'delete' | 'increment' | 'touch'

/** One write and what became of it, over all tries. */
export interface WriteRecord {
  /** No other write of the run has it. A put carries it in its value; a `timed` write has it as its time too. */
  n: number
  who: string
  op: Op
  key: string
  value?: string
  by?: number
  ttlMs?: number
  ifRevision?: number
  timed: boolean
  /** Had an idempotency key, so that it may be sent again. */
  keyed: boolean
  /** Writes with the same number are all applied or none, next to each other. */
  atomic?: number
  /** The instance that answered, where the writer chose it. */
  instance?: number
  sentMs: number
  answeredMs: number
  /** What each try came to. */
  tries: string[]
  /**
   * `applied`: acknowledged, as `revision`. `unchanged`: acknowledged, nothing to do. `refused`: told that it was not
   * applied. `unknown`: neither.
   */
  outcome: 'applied' | 'unchanged' | 'refused' | 'unknown'
  revision?: number
  /** What an increment answered. */
  sum?: number
}

/** One answered read. */
export interface ReadRecord {
  who: string
  /** The instance that was asked; undefined: whichever Nginx chose. */
  instance?: number
  key: string
  atLeast?: number
  sentMs: number
  answeredMs: number
  /** Of the value, or of its delete; 0: no delete is known either. */
  revision: number
  /** Undefined: there is none. */
  value?: string | number
}

export interface LoggedChange {
  key: string
  op: 'put' | 'delete'
  value?: string | number
  revision: number
  atMs: number
  timeMs: number
}

export interface LatestEntry {
  key: string
  value: string | number
  revision: number
  expiresAtMs?: number
}

/** A message of the topic. */
export type { LatestChanges } from '../sigkill/check-log.ts'

export interface TopicRecord {
  partition: number
  offset: number
  key: string
  change: { key: string; op: string; value?: unknown; revision: number }
}

/** The time of write `n`: long past, so that no other write has it. */
export function timeOfWrite(n: number): number {
  return FIRST_TIME_MS + n
}

export function isTimeOfWrite(timeMs: number): boolean {
  return timeMs >= FIRST_TIME_MS && timeMs < LAST_TIME_MS
}

const FIRST_TIME_MS = Date.UTC(2001, 0, 1)
const LAST_TIME_MS = Date.UTC(2011, 0, 1)
