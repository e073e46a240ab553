import type { Json, WriteAnswer } from '@livekv/protocol'

/** As of the write in the HTTP API (docs/protocol.md). Without an idempotency key the client makes one. */
export interface PutOptions {
  /** Expires this long after the commit; without it the key does not expire. */
  ttlMs?: number
  /** The source's own time of the value: ISO 8601 with a zone, or ms since 1970. */
  time?: string | number
  /** Only if the key's revision is this; 0: only if it has no value. */
  ifRevision?: number
  ifAbsent?: boolean
  /** No change if the value's text is the same. */
  skipUnchanged?: boolean
  idempotencyKey?: string
}

export interface PutEntry extends PutOptions {
  key: string
  value: Json
}

export type IncrementOptions = Omit<PutOptions, 'skipUnchanged'>
export type TouchOptions = Omit<IncrementOptions, 'ifAbsent'>
export type DeleteOptions = Pick<PutOptions, 'time' | 'ifRevision' | 'idempotencyKey'>

export type Write =
  | ({ op: 'put' } & PutEntry)
  | ({ op: 'delete'; key: string } & DeleteOptions)
  | ({ op: 'increment'; key: string; by?: number } & IncrementOptions)
  | ({ op: 'touch'; key: string } & TouchOptions)

/** The write is on disk (`applied`), or there was nothing to change (`unchanged`). */
export type WriteResult = Exclude<WriteAnswer, { error: string }>
