import { LiveKVError } from '@livekv/protocol'
import type { Change, Store } from '../store/store.ts'
import type { Position } from './cursor.ts'
import type { Hub } from './hub.ts'
import { reach } from './reach.ts'
import type { Selection } from './selection.ts'

/** What more has changed than this is given as a snapshot: it is read a page at a time, and this is not. */
export const RESUME_MAX_CHANGES = 20_000
export const RESUME_MAX_BYTES = 8 * 2 ** 20
const LOG_PAGE = 5_000

export interface ResumeSources {
  hub: Hub
  store: Pick<Store, 'changesSince' | 'head'>
  /** How long it may take until this instance has come as far as the client. */
  timeoutMs: number
}

export interface Resuming {
  isOver(): boolean
  /** Resolves when what the log has may be read, and held until it is sent. */
  turn(): Promise<void>
}

export type Resumed =
  | { changes: readonly Change[] }
  /** `reset`: what the client holds may be of another history, or too old to tell what has become of it. */
  | { snapshot: 'reset' | 'shorter' }

/**
 * What has changed in the selection since a position: per key the latest, deletes included.
 *
 * Call it for a watch that has joined. What it gives is complete up to a `contiguous` at or above all that was seen
 * before the joining, so that together with what came to the watch since then nothing is missing; and the client was
 * shown nothing higher than that, so that nothing goes backwards.
 */
export async function resume(
  selection: Selection,
  { low, high }: Position,
  { hub, store, timeoutMs }: ResumeSources,
  watch: Resuming,
): Promise<Resumed> {
  const shown = Math.max(low, high)
  if (shown > hub.knownHead) {
    const head = await store.head()
    // Rule: above-head-resets.
    if (shown > head) return { snapshot: 'reset' }
    hub.noteHead(head)
  }
  // Rule: resume-waits-for-high.
  const all = Math.max(shown, hub.knownHead)
  if (!(await reach(hub, all, () => watch.isOver(), timeoutMs))) return { snapshot: 'shorter' }
  const known = fromTail(selection, low, hub)
  if (known) return { changes: known }
  await watch.turn()
  // Or all of a socket that has left would be read for.
  if (watch.isOver()) return { snapshot: 'shorter' }
  const through = hub.contiguous
  try {
    if (through - low > RESUME_MAX_CHANGES) {
      // Only whether the log reaches back so far.
      await store.changesSince(low, 1)
      return { snapshot: 'shorter' }
    }
    const changes = await fromLog(selection, low, through, store)
    return changes ? { changes } : { snapshot: 'shorter' }
  } catch (error) {
    // Rule: cut-log-snapshots.
    if (error instanceof LiveKVError && error.code === 'REVISION_COMPACTED') return { snapshot: 'reset' }
    throw error
  }
}

/** Rules: resume-from-low, resume-from-tail-above-floor. */
function fromTail(selection: Selection, low: number, { tail }: Hub): Change[] | undefined {
  if (tail.floor > low) return undefined
  const { keys, prefix } = selection
  const changes: Change[] = []
  for (const key of keys ?? tail.keysSince(low)) {
    if (prefix !== undefined ? !key.startsWith(prefix) : tail.revisionOf(key) <= low) continue
    const change = tail.get(key)
    // Its value was dropped for memory.
    if (!change) return undefined
    changes.push(change)
  }
  return changes
}

async function fromLog(
  selection: Selection,
  low: number,
  through: number,
  store: ResumeSources['store'],
): Promise<Change[] | undefined> {
  const { keys, prefix } = selection
  const named = keys && new Set(keys)
  const latest = new Map<string, Change>()
  let bytes = 0
  for (let from = low; from < through; ) {
    const { changes } = await store.changesSince(from, LOG_PAGE)
    for (const change of changes) {
      if (change.revision > through) break
      if (named ? !named.has(change.key) : !change.key.startsWith(prefix ?? '')) continue
      bytes += (change.json?.length ?? 0) - (latest.get(change.key)?.json?.length ?? 0)
      latest.set(change.key, change)
    }
    const last = changes.at(-1)
    // The log ends below what was seen: it is another one, or it was cut meanwhile.
    if (last === undefined || bytes > RESUME_MAX_BYTES) return undefined
    from = last.revision
  }
  return [...latest.values()]
}
