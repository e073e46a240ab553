/**
 * Compares what writers were told and what watchers were shown with what the log holds.
 *
 * Every put of a run writes a value of its own, so that the log says how often each write was applied. Deletes and
 * increments are repeated with their idempotency key until they are answered, so that their number must agree.
 */

export interface LoggedChange {
  key: string
  op: 'put' | 'delete'
  value?: string | number
  revision: number
}

export interface LatestEntry {
  key: string
  value: string | number
  revision: number
}

/** Of each key its last change up to some revision. */
export type LatestChanges = ReadonlyMap<string, { revision: number; isDelete: boolean }>

/** One write and what became of it. */
export interface WriteRecord {
  op: 'put' | 'delete' | 'increment'
  key: string
  /** Of a put: no other write has it. */
  value?: string
  ifRevision?: number
  /**
   * `applied`: acknowledged, as `revision`. `refused`: a definite answer that nothing was changed.
   * `unknown`: no answer, and not tried again.
   */
  outcome: 'applied' | 'refused' | 'unknown'
  revision?: number
  /** What an increment answered. */
  sum?: number
}

/** Returns what is wrong, in words; nothing if all is well. */
export function checkLog(
  log: readonly LoggedChange[],
  entries: readonly LatestEntry[],
  writes: readonly WriteRecord[],
): string[] {
  const problems: string[] = []
  const byRevision = new Map(log.map((change) => [change.revision, change]))
  for (const [index, { revision }] of log.entries()) {
    if (revision !== index + 1) {
      problems.push(`revision ${revision} stands where ${index + 1} belongs`)
      break
    }
  }

  const latest = new Map<string, LoggedChange>()
  /** Revision of the key's value just before a change; 0: none. */
  const before = new Map<number, number>()
  const timesApplied = new Map<string, number>()
  for (const change of log) {
    const previous = latest.get(change.key)
    before.set(change.revision, previous?.op === 'put' ? previous.revision : 0)
    if (typeof change.value === 'string') {
      timesApplied.set(change.value, (timesApplied.get(change.value) ?? 0) + 1)
    } else if (change.op === 'put') {
      const sum = previous?.op === 'put' ? Number(previous.value) : 0
      if (change.value !== sum + 1) problems.push(`${show(change)} is not one more than ${sum}`)
    }
    latest.set(change.key, change)
  }

  const present = [...latest.values()].filter(({ op }) => op === 'put')
  if (present.length !== entries.length) {
    problems.push(`${entries.length} entries, but ${present.length} keys have a value by the log`)
  }
  for (const entry of entries) {
    const change = latest.get(entry.key)
    if (change?.revision !== entry.revision || change.value !== entry.value) {
      problems.push(`entry ${JSON.stringify(entry)}, but the log's last change is ${change && show(change)}`)
    }
  }

  const claimed = new Map<number, WriteRecord>()
  for (const write of writes) {
    const { op, key, value, outcome, revision } = write
    const times = value === undefined ? undefined : (timesApplied.get(value) ?? 0)
    if (times !== undefined) {
      const allowed = outcome === 'applied' ? times === 1 : outcome === 'refused' ? times === 0 : times <= 1
      if (!allowed) problems.push(`${show(write)} is in the log ${times} times`)
    }
    if (outcome !== 'applied' || revision === undefined) continue
    if (claimed.has(revision))
      problems.push(`${show(write)} and ${show(claimed.get(revision)!)} claim one revision`)
    claimed.set(revision, write)
    const change = byRevision.get(revision)
    const isThere =
      change?.key === key &&
      change.op === (op === 'delete' ? 'delete' : 'put') &&
      (op !== 'put' || change.value === value) &&
      (op !== 'increment' || change.value === write.sum)
    if (!isThere) problems.push(`${show(write)} was acknowledged, the log has ${change && show(change)}`)
    if (write.ifRevision !== undefined && before.get(revision) !== write.ifRevision) {
      problems.push(`${show(write)} was applied over revision ${before.get(revision)}`)
    }
  }

  for (const change of log) {
    const isRepeatable = change.op === 'delete' || typeof change.value === 'number'
    if (isRepeatable && !claimed.has(change.revision)) problems.push(`nobody was told of ${show(change)}`)
  }
  return problems
}

/** A value that a watcher was shown must be the log's at that revision. */
export function checkShown(log: readonly LoggedChange[], shown: ReadonlyMap<number, LatestEntry>): string[] {
  const problems: string[] = []
  for (const [revision, { key, value }] of shown) {
    const change = log[revision - 1]
    if (change?.key !== key || (change.value ?? null) !== value) {
      problems.push(`shown ${key} ${value} as ${revision}, the log has ${change && show(change)}`)
    }
  }
  return problems
}

function show(what: LoggedChange | WriteRecord): string {
  return JSON.stringify(what)
}
