/**
 * Healed is the moment at which every link passes, every service answers and every instance that was ended has been started
 * and was ready once. From then on whoever watches has so long to be shown all that is in the log by then; whether an
 * instance calls itself ready meanwhile makes no difference.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { LatestChanges } from './records.ts'

export const LIVE_CATCH_UP_MS = 5_000
export const CLASSIC_CATCH_UP_MS = 15_000
const POLL_MS = 20
const SHOWN_KEYS = 3

export interface HealedWatcher {
  name: string
  limitMs: number
  /** Which of these changes, all of them made before `sinceMs`, it does not know of. */
  behind(latest: LatestChanges, sinceMs: number): string[]
  /** By itself: then it owes nothing. */
  hasLeft(sinceMs: number): boolean
}

export interface HealedLog {
  head(): Promise<number>
  latestChanges(through: number): Promise<LatestChanges>
  /** Keys that were deleted above that revision. */
  deletedSince(revision: number): Promise<ReadonlySet<string>>
}

export interface Healing {
  head: number
  /** The last one to know everything, by limit. */
  slowestMs: ReadonlyMap<number, number>
  violations: string[]
}

/** Call it in the moment of healing, with those who watch then. */
export async function checkHealed(watchers: readonly HealedWatcher[], log: HealedLog): Promise<Healing> {
  const head = await log.head()
  const healedMs = performance.now()
  const latest = await log.latestChanges(head)
  const slowestMs = new Map<number, number>()
  const violations: string[] = []
  let waiting = watchers
  while (waiting.length > 0) {
    // Looked at first: a late look is no excuse, and no reason to blame whoever was in time.
    const nowMs = performance.now() - healedMs
    const behind: HealedWatcher[] = []
    for (const watcher of waiting) {
      const problems = watcher.behind(latest, healedMs)
      if (problems.length === 0) {
        slowestMs.set(watcher.limitMs, nowMs)
      } else if (!watcher.hasLeft(healedMs)) {
        if (nowMs < watcher.limitMs) behind.push(watcher)
        else {
          // Of a key that is gone by now it need not have been told that it was there.
          const deleted = await log.deletedSince(head)
          const kept = new Map([...latest].filter(([key]) => !deleted.has(key)))
          const lacking = watcher.behind(kept, healedMs)
          if (lacking.length === 0) continue
          violations.push(
            `stuck ${watcher.limitMs} ms after healing at ${head}: ${watcher.name}: ${lacking.slice(0, SHOWN_KEYS).join(', ')}`,
          )
        }
      }
    }
    waiting = behind
    if (waiting.length > 0) await sleep(POLL_MS)
  }
  return { head, slowestMs, violations }
}
