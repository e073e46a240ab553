/**
 * How long to wait after so many failures in a row: at most twice as long each time, at least half of that, and
 * random, so that clients that failed together do not come back together.
 */
export function backoffMs(failures: number, minMs: number, maxMs: number): number {
  return Math.min(maxMs, minMs * 2 ** failures) * (0.5 + Math.random() / 2)
}
