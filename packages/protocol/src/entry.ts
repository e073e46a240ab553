import type { Json } from './json.ts'

/**
 * The latest state of a key, as the HTTP API and the sockets give it.
 *
 * `revision`: position in the store's one order of changes (integer ≥ 1).
 * `updatedAt`: when this state was committed, ISO 8601 in UTC with milliseconds.
 * `time`: the source's own time of the value, ISO 8601; equal to `updatedAt` unless the writer gave one.
 * `expiresAt`: present when the entry was written with a `ttlMs`; it is deleted at most 1 s after that.
 */
export interface Entry {
  key: string
  value: Json
  revision: number
  updatedAt: string
  time: string
  expiresAt?: string
}
