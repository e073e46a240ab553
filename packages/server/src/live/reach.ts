import type { Hub } from './hub.ts'

const LOOK_AGAIN_MS = 1_000

/**
 * Waits until this instance has seen everything up to the revision, and reads what is missing at once instead of
 * leaving it to the Hub's timer. False: not within `timeoutMs`, or `isOver` has become true, or the Hub was closed.
 */
export async function reach(
  hub: Pick<Hub, 'contiguous' | 'isClosed' | 'noteHead' | 'catchUp' | 'whenReached'>,
  revision: number,
  isOver: () => boolean,
  timeoutMs = Number.POSITIVE_INFINITY,
): Promise<boolean> {
  if (hub.contiguous >= revision) return true
  hub.noteHead(revision)
  const deadline = Date.now() + timeoutMs
  while (!isOver() && !hub.isClosed) {
    const waitMs = Math.min(LOOK_AGAIN_MS, deadline - Date.now())
    if (waitMs <= 0) return false
    void hub.catchUp()
    if (await hub.whenReached(revision, waitMs)) return true
  }
  return false
}
