/**
 * The log against what writers were told.
 *
 *   each change of the log -> its write, by its time or its value (none: it must be an expiry)
 *        -> was that right, with the key as it was just before?
 *   each write -> as often in the log as its answer allows, in the order in which writes were answered
 */
import {
  isTimeOfWrite,
  type LatestEntry,
  type LoggedChange,
  timeOfWrite,
  type WriteRecord,
} from './records.ts'

/** A key between two changes. */
interface KeyState {
  /** 0: no value. */
  revision: number
  value: string | number | undefined
  expiresAtMs: number | undefined
}

const ABSENT: KeyState = { revision: 0, value: undefined, expiresAtMs: undefined }
/** Times of the database are finer than ours. */
const ROUNDING_MS = 1
/** So long after its time an entry may still be there. */
const EXPIRY_MS = 1_000

export function checkWrites(log: readonly LoggedChange[], writes: readonly WriteRecord[]): string[] {
  const problems = checkRevisions(log)
  const { applied, problems: wrongChanges } = attribute(log, writes)
  problems.push(...wrongChanges)
  for (const write of writes) {
    const revisions = applied.get(write) ?? []
    const isRight =
      write.outcome === 'applied'
        ? revisions.length === 1 && revisions[0] === write.revision
        : write.outcome === 'unknown'
          ? revisions.length <= 1
          : revisions.length === 0
    if (!isRight) problems.push(`${write.outcome}, but in the log as [${revisions}]: ${show(write)}`)
  }
  return [...problems, ...checkAtomic(writes, applied), ...checkOrder(writes)]
}

/** The table of latest values is what the log adds up to, and nothing stays that has expired. */
export function checkEntries(
  log: readonly LoggedChange[],
  entries: readonly LatestEntry[],
  readAtMs: number,
): string[] {
  const problems: string[] = []
  const latest = new Map(log.map((change) => [change.key, change]))
  for (const { key, revision, value, expiresAtMs } of entries) {
    const change = latest.get(key)
    latest.delete(key)
    if (change?.revision !== revision || change.value !== value)
      problems.push(`entry ${key} is ${value} of ${revision}, the last change of the log ${show(change)}`)
    if (expiresAtMs !== undefined && expiresAtMs + EXPIRY_MS < readAtMs)
      problems.push(`entry ${key} of ${revision} expired ${readAtMs - expiresAtMs} ms ago and is still there`)
  }
  for (const change of latest.values())
    if (change.op === 'put') problems.push(`no entry for ${show(change)}, the last change of its key`)
  return problems
}

function checkRevisions(log: readonly LoggedChange[]): string[] {
  const wrong = log.findIndex(({ revision }, index) => revision !== index + 1)
  return wrong === -1 ? [] : [`revision ${log[wrong]?.revision} stands where ${wrong + 1} belongs`]
}

function attribute(
  log: readonly LoggedChange[],
  writes: readonly WriteRecord[],
): { applied: Map<WriteRecord, number[]>; problems: string[] } {
  const problems: string[] = []
  const applied = new Map<WriteRecord, number[]>()
  const byTime = new Map<number, WriteRecord>()
  const byValue = new Map<string, WriteRecord>()
  for (const write of writes) {
    if (write.timed) byTime.set(timeOfWrite(write.n), write)
    else if (write.value !== undefined) byValue.set(write.value, write)
  }
  const states = new Map<string, KeyState>()
  for (const change of log) {
    const before = states.get(change.key) ?? ABSENT
    const write = isTimeOfWrite(change.timeMs) ? byTime.get(change.timeMs) : byValue.get(String(change.value))
    if (write) {
      applied.set(write, [...(applied.get(write) ?? []), change.revision])
      const wrong = wrongWith(change, write, before)
      if (wrong) problems.push(`${show(change)} ${wrong}: ${show(write)}`)
    } else if (change.op === 'put') problems.push(`nobody wrote ${show(change)}`)
    else if (before.expiresAtMs === undefined || change.atMs + ROUNDING_MS < before.expiresAtMs)
      problems.push(`nobody deleted, and no time was up: ${show(change)} after ${show(before)}`)
    states.set(change.key, after(change, write, before))
  }
  return { applied, problems }
}

/** In words; undefined if the change is what the write had to do to the key as it was. */
function wrongWith(change: LoggedChange, write: WriteRecord, before: KeyState): string | undefined {
  if (change.key !== write.key) return 'is of another key than its write'
  if ((change.op === 'delete') !== (write.op === 'delete')) return 'is another operation than its write'
  if (write.ifRevision !== undefined && write.ifRevision !== before.revision)
    return `was applied over revision ${before.revision}`
  switch (write.op) {
    case 'put':
      return change.value === write.value ? undefined : 'has another value than its write'
    case 'delete':
      return before.revision > 0 ? undefined : 'deletes what had no value'
    case 'touch':
      return before.revision > 0 && change.value === before.value ? undefined : `is not ${before.value} again`
    case 'increment': {
      const sum = Number(before.value ?? 0) + write.by!
      if (change.value !== sum) return `is not ${before.value ?? 0} + ${write.by}`
      return write.sum === undefined || write.sum === sum ? undefined : `was answered as ${write.sum}`
    }
  }
}

function after(change: LoggedChange, write: WriteRecord | undefined, before: KeyState): KeyState {
  if (change.op === 'delete') return ABSENT
  const ttlMs = write?.ttlMs
  const kept = write?.op === 'increment' ? before.expiresAtMs : undefined
  return {
    revision: change.revision,
    value: change.value,
    expiresAtMs: ttlMs === undefined ? kept : change.atMs + ttlMs,
  }
}

function checkAtomic(writes: readonly WriteRecord[], applied: ReadonlyMap<WriteRecord, number[]>): string[] {
  const groups = Map.groupBy(
    writes.filter(({ atomic }) => atomic !== undefined),
    ({ atomic }) => atomic,
  )
  const problems: string[] = []
  for (const group of groups.values()) {
    const revisions = group.map((write) => applied.get(write)?.[0])
    const isWhole = revisions.every((revision, index) => revision === revisions[0]! + index)
    if (!isWhole && revisions.some((revision) => revision !== undefined))
      problems.push(
        `an atomic batch was applied as [${revisions.map((revision) => revision ?? '-')}]: ${group.map(show).join(' ')}`,
      )
  }
  return problems
}

/** What was acknowledged before another write was sent stands before it. */
function checkOrder(writes: readonly WriteRecord[]): string[] {
  const acknowledged = writes.filter(({ outcome }) => outcome === 'applied')
  const byAnswer = acknowledged.toSorted((one, other) => one.answeredMs - other.answeredMs)
  const problems: string[] = []
  let next = 0
  let highest: WriteRecord | undefined
  for (const write of acknowledged.toSorted((one, other) => one.sentMs - other.sentMs)) {
    for (; next < byAnswer.length && byAnswer[next]!.answeredMs < write.sentMs; next++) {
      const before = byAnswer[next]!
      if (highest === undefined || before.revision! > highest.revision!) highest = before
    }
    if (highest && highest.revision! > write.revision!)
      problems.push(`${show(write)} stands before what was acknowledged before it was sent: ${show(highest)}`)
  }
  return problems
}

export function show(what: unknown): string {
  return JSON.stringify(what)
}
