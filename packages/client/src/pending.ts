import type { LiveKVError } from './error.ts'
import type { Write, WriteResult } from './write-options.ts'

/** A write that was issued and not yet decided. */
export interface Pending {
  readonly op: Write['op']
  readonly key: string
  readonly idempotencyKey: string
  /** As it is sent, however often. */
  readonly text: string
  /** When, by `performance.now()` and by `Date.now()`. */
  readonly issuedMs: number
  readonly issuedAt: number
  readonly resolve: (result: WriteResult) => void
  readonly reject: (error: LiveKVError) => void
  /** It was sent, and nothing said since that it was not applied. */
  mayBeApplied: boolean
  isDone: boolean
  /** A batch with it was refused as a whole: it goes by itself. */
  isAlone?: boolean
}

/** Of a batch. In bytes it is at most three times that, well below what the server takes. */
export const MAX_CHARS = 192 * 1024
