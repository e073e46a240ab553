import type { Json } from './json.ts'

/**
 * One step of a key in the log, as the HTTP API gives it. Times are ISO 8601 in UTC with milliseconds;
 * `at` is the commit (never decreasing with `revision`), `time` the source's own time of the value.
 * Expiry is a `delete`; `touch` and `increment` are a `put` of the resulting value.
 */
export type Change =
  | { op: 'put'; key: string; value: Json; revision: number; at: string; time: string }
  | { op: 'delete'; key: string; revision: number; at: string; time: string }

/**
 * One bucket of a numeric key's history. `time` is the bucket's start (ISO 8601, UTC). Prices are JSON numbers
 * with the digits that were written (`18.930` stays `18.930` in the text of the answer).
 */
export interface Candle {
  time: string
  open: number
  high: number
  low: number
  close: number
  count: number
}
