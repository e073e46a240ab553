/**
 * What readers were answered against the log, and against what the same instance had answered before.
 *
 * An instance never steps back: whoever asks it after it has answered somebody sees that state of the key or a later
 * one; a write that it has acknowledged counts as such an answer.
 */
import { show } from './check-writes.ts'
import type { LatestEntry, LoggedChange, ReadRecord, WriteRecord } from './records.ts'

export function checkReads(
  log: readonly LoggedChange[],
  reads: readonly ReadRecord[],
  writes: readonly WriteRecord[],
): string[] {
  const history = Map.groupBy(log, ({ key }) => key)
  return [
    ...reads.flatMap((read) => checkRead(log, history.get(read.key) ?? [], read)),
    ...checkSteps(history, reads, writes),
  ]
}

/** What the instances answer once everything is well again. */
export function checkInstance(
  name: string,
  entries: readonly LatestEntry[],
  answers: ReadonlyMap<string, { revision: number; value?: string | number }>,
): string[] {
  const expected = new Map(entries.map((entry) => [entry.key, entry]))
  return [...answers].flatMap(([key, answer]) => {
    const entry = expected.get(key)
    if (answer.value === entry?.value && (entry === undefined || answer.revision === entry.revision))
      return []
    return [`${name} reads ${key} as ${show(answer)}, the store has ${show(entry)}`]
  })
}

/** A value is that of the log at its revision; no value is right where the key was deleted or never written. */
function checkRead(
  log: readonly LoggedChange[],
  history: readonly LoggedChange[],
  read: ReadRecord,
): string[] {
  const problems: string[] = []
  const { key, revision, value, atLeast } = read
  const change = revision > 0 ? log[revision - 1] : undefined
  const isOfLog = value === undefined ? revision === 0 || isDelete(change, key) : isPut(change, key, value)
  if (!isOfLog) problems.push(`${show(read)}, the log has ${show(change)}`)
  const latest = history.findLast((change) => change.revision <= (atLeast ?? 0))
  if (latest && isBehind(read, latest.revision, history))
    problems.push(`${show(read)} is older than it asked for: ${show(latest)}`)
  return problems
}

function checkSteps(
  history: ReadonlyMap<string, readonly LoggedChange[]>,
  reads: readonly ReadRecord[],
  writes: readonly WriteRecord[],
): string[] {
  const problems: string[] = []
  const asked = Map.groupBy(
    reads.filter(({ instance }) => instance !== undefined),
    ({ instance, key }) => `${instance} ${key}`,
  )
  const acknowledged = Map.groupBy(
    writes.filter(({ instance, outcome }) => instance !== undefined && outcome === 'applied'),
    ({ instance, key }) => `${instance} ${key}`,
  )
  for (const [place, group] of asked) {
    const answers = [...group, ...(acknowledged.get(place) ?? [])].sort(
      (one, other) => one.answeredMs - other.answeredMs,
    )
    let next = 0
    let highest: (typeof answers)[number] | undefined
    for (const read of group.toSorted((one, other) => one.sentMs - other.sentMs)) {
      for (; next < answers.length && answers[next]!.answeredMs < read.sentMs; next++) {
        const before = answers[next]!
        if (highest === undefined || before.revision! > highest.revision!) highest = before
      }
      if (highest && isBehind(read, highest.revision!, history.get(read.key) ?? []))
        problems.push(`${show(read)} is older than what the instance had answered: ${show(highest)}`)
    }
  }
  return problems
}

/** Where the revision of the absence is not known, there must at least have been a delete. */
function isBehind(read: ReadRecord, revision: number, history: readonly LoggedChange[]): boolean {
  if (read.revision >= revision) return false
  if (read.value !== undefined || read.revision > 0) return true
  return !history.some((change) => change.op === 'delete' && change.revision >= revision)
}

function isDelete(change: LoggedChange | undefined, key: string): boolean {
  return change?.key === key && change.op === 'delete'
}

function isPut(change: LoggedChange | undefined, key: string, value: string | number): boolean {
  return change?.key === key && change.op === 'put' && change.value === value
}
