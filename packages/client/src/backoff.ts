import type { LiveKVError } from './error.ts'

/** Longer than this no server is left alone, whatever it asks for. */
const MAX_ASKED_MS = 60_000

/**
 * How long to wait after so many failures in a row: at most twice as long each time, at least half of that, and
 * random, so that clients that failed together do not come back together.
 */
export function backoffMs(failures: number, minMs: number, maxMs: number): number {
  return Math.min(maxMs, minMs * 2 ** failures) * (0.5 + Math.random() / 2)
}

/** How long the server asks to be left alone. */
export function askedMs({ details }: LiveKVError): number {
  const { retryAfterSeconds } = details
  return typeof retryAfterSeconds === 'number' ? Math.min(retryAfterSeconds * 1_000, MAX_ASKED_MS) : 0
}
