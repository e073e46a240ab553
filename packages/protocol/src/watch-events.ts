import type { Change } from './change.ts'
import type { Entry } from './entry.ts'
import type { ErrorBody } from './errors.ts'
import type { Json } from './json.ts'

/**
 * The live protocol: what a Socket.IO client speaks that connects with `auth: { protocol: 1 }`. (A socket that names
 * no protocol speaks the classic events.)
 *
 *   watch -> acknowledgement -> snapshot frames, with changes between them -> changes, changes, …
 *   watch with `since` -> acknowledgement -> changes up to now (`current`) -> changes, changes, …
 *
 * A snapshot may come again on a running watch, when this instance has lost its place in the log: it begins with the
 * first snapshot frame after an `end` (or after the changes of a resume) and replaces everything, like the first one.
 *
 * For every key of a watch the revisions shown only rise; one may be shown twice. Frames of one watch arrive in
 * order; watches of one socket are independent of each other.
 */
export const PROTOCOL = 1

/**
 * A frame's text is at most about this long, plus one entry. Small enough that over a slow link a sign of life passes
 * between two of them in time: 64 KiB take 3 s at 20 KB/s.
 */
export const FRAME_MAX_BYTES = 64 * 1024
/** More keys than this in a selection: SELECTION_TOO_LARGE. */
export const SELECTION_MAX_KEYS = 100_000

/** Exactly one of `keys` and `prefix`. A prefix is a plain string prefix (`gold` matches `golden`); the empty one is everything. */
export interface WatchRequest {
  /** Chosen by the client, unique among the watches of its socket. */
  watch: string
  keys?: string[]
  prefix?: string
  /** The last cursor of an earlier watch of the same selection. */
  since?: string
}

export interface WatchAnswer {
  /** The snapshot that follows replaces everything: the cursor was of another store, above its head, or below its log. */
  reset: boolean
  /** False: a snapshot follows. True: only what changed since the cursor. */
  resumed: boolean
  storeId: string
}

/**
 * Entries of the selection. All frames up to `end`, with the changes that come between them, are one snapshot: what
 * is in none of them has no value.
 */
export interface SnapshotFrame {
  watch: string
  entries: Entry[]
  end: boolean
  /** With `end`. */
  cursor?: string
}

export interface ChangesFrame {
  watch: string
  changes: Change[]
  /** Absent while a snapshot is under way. Opaque; covers everything shown before and with this frame. */
  cursor?: string
  /** Once after a resume, on the frame (perhaps without changes) with which the watch is up to date. */
  current?: true
}

/** As in the HTTP API; `value` for put, `by` for increment. */
export interface WriteRequest {
  op: 'put' | 'delete' | 'increment' | 'touch'
  key: string
  value?: Json
  by?: number
  ttlMs?: number
  time?: string | number
  ifRevision?: number
  ifAbsent?: boolean
  skipUnchanged?: boolean
  idempotencyKey?: string
}

/** As the items of `POST /api/v1/batch`. */
export type WriteAnswer =
  | {
      status: 'applied' | 'unchanged'
      op: WriteRequest['op']
      key: string
      revision: number
      at?: string
      time?: string
      /** The result of an increment. */
      value?: Json
      repeated?: true
    }
  | ErrorBody

export type Answer<T> = (answer: T | ErrorBody) => void

export interface LiveClientEvents {
  watch: (request: WatchRequest, answer: Answer<WatchAnswer>) => void
  unwatch: (request: { watch: string }, answer: Answer<Record<string, never>>) => void
  put: (request: Omit<WriteRequest, 'op' | 'by'>, answer: Answer<WriteAnswer>) => void
  delete: (request: Omit<WriteRequest, 'op' | 'by' | 'value'>, answer: Answer<WriteAnswer>) => void
  batch: (
    request: { writes: WriteRequest[]; atomic?: boolean },
    answer: Answer<{ results: WriteAnswer[] }>,
  ) => void
  /** Proof of life, and the server's clock in ms since the epoch. */
  time: (answer: (time: { now: number }) => void) => void
}

export interface LiveServerEvents {
  snapshot: (frame: SnapshotFrame) => void
  changes: (frame: ChangesFrame) => void
  /** The server has ended the watch, e.g. SELECTION_TOO_LARGE once a prefix was read: nothing more of it comes. */
  watchEnded: (notice: ErrorBody & { watch: string }) => void
  /** This instance is stopping: reconnect after a random part of `withinMs`. */
  goingAway: (notice: { withinMs: number }) => void
}
