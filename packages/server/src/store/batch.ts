import { createHash } from 'node:crypto'
import { LiveKVError } from '@livekv/protocol'
import type { Change, CommitResult, Write } from './store.ts'

/**
 * The arguments of `livekv_commit` for some writes, and the results read from its answer (migrations/0002-commit.ts
 * has the meaning of both).
 *
 * Equal writes with one idempotency key in a batch are decided here: the first goes to the database, the others get its
 * result. Where they are not equal, or that would reach into or out of an atomic group, which may be undone, the batch
 * has to be cut into two commits (`cutAt`).
 */
export interface Batch {
  readonly writes: readonly Write[]
  /** Set: not to be sent as one; the writes before this index and those from it on are commits of their own. */
  readonly cutAt: number | undefined
  /** Set: decided without the database. */
  readonly decided: CommitResult[] | undefined
  /** From p_keys on. */
  readonly values: readonly unknown[]
  /** Results in the order of `writes`. */
  decode(answer: string): CommitResult[]
}

const OPS = { put: 1, delete: 2, increment: 3, touch: 4 } as const

type Note = [index: number, kind: string, ...rest: unknown[]]

export function encodeBatch(writes: readonly Write[]): Batch {
  const sent: Write[] = []
  const hashes: (string | null)[] = []
  /** For each write its place in `sent`. */
  const places: number[] = []
  const tokens = new Map<string, number>()
  let cutAt: number | undefined
  let decided: CommitResult[] | undefined
  for (const [index, write] of writes.entries()) {
    const token = write.idempotencyKey
    const hash = token === undefined ? null : hashOf(write)
    const earlier = token === undefined ? undefined : tokens.get(token)
    if (earlier !== undefined) {
      const same = hashes[earlier] === hash
      if (write.atomicGroup !== undefined || sent[earlier]?.atomicGroup !== undefined) {
        const [start, end] = groupAround(writes, index)
        if (places.indexOf(earlier) < start) cutAt ??= start
        else if (!same && (start > 0 || end < writes.length)) cutAt ??= start > 0 ? start : end
        else if (!same) decided ??= contradicted(writes, index)
      } else if (!same) {
        // Which of the two is the key's own only the database can tell: it decides them one after the other.
        cutAt ??= index
      }
      places.push(earlier)
      continue
    }
    if (token !== undefined) tokens.set(token, sent.length)
    places.push(sent.length)
    hashes.push(hash)
    sent.push(write)
  }
  const conditions = conditionColumns(sent)
  const plain = tokens.size === 0 && conditions[0] === null && sent.every(({ op }) => op === 'put')
  return {
    writes: sent,
    cutAt,
    decided: cutAt === undefined ? decided : undefined,
    values: [
      ...columns(sent, plain),
      ...(tokens.size > 0 ? [tokenColumn(sent), hashes] : [null, null]),
      ...conditions,
    ],
    decode: (answer) => {
      const results = decodeResults(sent, answer)
      const given = new Set<number>()
      return places.map((place) => {
        const result = results[place] as CommitResult
        const again = given.has(place)
        given.add(place)
        return again && result.status !== 'failed' ? { ...result, repeated: true } : result
      })
    },
  }
}

/** The atomic group a write is in, from its first index to behind its last; the write alone if it is in none. */
function groupAround(writes: readonly Write[], index: number): [start: number, end: number] {
  const group = writes[index]?.atomicGroup
  let [start, end] = [index, index + 1]
  while (group !== undefined && start > 0 && writes[start - 1]?.atomicGroup === group) start--
  while (group !== undefined && end < writes.length && writes[end]?.atomicGroup === group) end++
  return [start, end]
}

/** Results of an atomic group that uses one idempotency key for two different writes. */
function contradicted(writes: readonly Write[], index: number): CommitResult[] {
  return writes.map((write, at) =>
    at === index ? mismatch(write.idempotencyKey ?? '') : exception(write, ['aborted']),
  )
}

function columns(writes: readonly Write[], plain: boolean): unknown[] {
  const values = writes.map((write) =>
    write.op === 'put' ? write.json : write.op === 'increment' ? write.by : null,
  )
  return [
    writes.map((write) => write.key),
    plain ? null : writes.map((write) => OPS[write.op]),
    values,
    orNull(writes.map((write) => write.time ?? null)),
    orNull(writes.map((write) => ('ttlMs' in write ? (write.ttlMs ?? null) : null))),
  ]
}

function tokenColumn(writes: readonly Write[]): (string | null)[] {
  return writes.map((write) => write.idempotencyKey ?? null)
}

/** Null all four when no item needs a look at the state of its key beyond plain deletes. */
function conditionColumns(writes: readonly Write[]): unknown[] {
  const look = writes.some(
    (write) =>
      write.op === 'increment' ||
      write.op === 'touch' ||
      write.ifRevision !== undefined ||
      write.atomicGroup !== undefined ||
      (write.op === 'put' && write.skipUnchanged === true),
  )
  if (!look) return [null, null, null, null]
  const last = new Map<string, number>()
  const groups = new Map<number, number>()
  const previous: number[] = []
  for (const [index, { key }] of writes.entries()) {
    previous.push(last.get(key) ?? 0)
    last.set(key, index + 1)
  }
  return [
    previous,
    writes.map((write) => write.ifRevision ?? null),
    writes.map((write) => write.op === 'put' && write.skipUnchanged === true),
    writes.map(({ atomicGroup }) => {
      if (atomicGroup === undefined) return 0
      if (!groups.has(atomicGroup)) groups.set(atomicGroup, groups.size + 1)
      return groups.get(atomicGroup)
    }),
  ]
}

function orNull<T>(values: (T | null)[]): (T | null)[] | null {
  return values.some((value) => value !== null) ? values : null
}

function hashOf(write: Write): string {
  const { idempotencyKey: _token, atomicGroup: _group, ...content } = write
  const fields = Object.entries(content).filter(([, value]) => value !== undefined)
  fields.sort(([a], [b]) => (a < b ? -1 : 1))
  return createHash('sha256').update(JSON.stringify(fields)).digest('base64url').slice(0, 24)
}

function decodeResults(writes: readonly Write[], answer: string): CommitResult[] {
  const [base, at, notes] = JSON.parse(answer) as [number, number, Note[]]
  const byIndex = new Map(notes.map((note) => [note[0], note]))
  let revision = base
  return writes.map((write, index) => {
    const note = byIndex.get(index)
    if (note === undefined || note[1] === 'value') {
      revision++
      return { status: 'applied', change: changeOf(write, revision, at, note?.[2] as string | undefined) }
    }
    if (note[1] === 'repeated') return repeated(write, note)
    return exception(write, note.slice(1) as [string, ...unknown[]])
  })
}

function repeated(write: Write, note: Note): CommitResult {
  const [, , revision, at, stored] = note as [
    number,
    string,
    number | null,
    number,
    [string, ...unknown[]] | [],
  ]
  if (revision !== null) {
    const value = stored[0] === 'value' ? (stored[1] as string) : undefined
    return { status: 'applied', change: changeOf(write, revision, at, value), repeated: true }
  }
  const result = exception(write, stored as [string, ...unknown[]])
  return result.status === 'failed' ? result : { ...result, repeated: true }
}

function changeOf(write: Write, revision: number, at: number, value: string | undefined): Change {
  const json = write.op === 'put' ? write.json : write.op === 'delete' ? null : (value as string)
  const change: Change = { key: write.key, revision, at, time: write.time ?? at, json }
  if (write.op === 'put' || write.op === 'touch') {
    change.expiresAt = write.ttlMs === undefined ? null : at + write.ttlMs
  } else if (write.op === 'increment' && write.ttlMs !== undefined) {
    change.expiresAt = at + write.ttlMs
  }
  return change
}

function exception(write: Write, [kind, detail]: [string, ...unknown[]]): CommitResult {
  switch (kind) {
    case 'unchanged':
    case 'conflict':
      return { status: kind, revision: detail as number }
    case 'missing':
      return {
        status: 'failed',
        code: 'KEY_NOT_FOUND',
        message: `${show(write.key)} has no value to touch. Put one first.`,
      }
    case 'not-a-number':
      return {
        status: 'failed',
        code: 'NOT_A_NUMBER',
        message: `The value of ${show(write.key)} is not a number, so nothing can be added to it. Put a number first.`,
      }
    case 'out-of-range':
      return {
        status: 'failed',
        code: 'NOT_A_NUMBER',
        message: `The sum at ${show(write.key)} is beyond the range of a double (about ±1.8e308). Put a smaller number first.`,
      }
    case 'aborted':
      return {
        status: 'failed',
        code: 'ATOMIC_ABORTED',
        message: `${show(write.key)} was not written, because another item of its atomic batch failed.`,
      }
    case 'mismatch':
      return mismatch(write.idempotencyKey ?? '')
    default:
      throw new LiveKVError(
        'INTERNAL',
        `The commit procedure answered ${show(kind)}, which this version does not know.`,
      )
  }
}

function mismatch(token: string): CommitResult {
  return {
    status: 'failed',
    code: 'IDEMPOTENCY_MISMATCH',
    message: `The idempotency key ${show(token)} was used before for another write. Use a new one for a new write.`,
  }
}

/** For messages: quoted, cut to 80 characters. */
export function show(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)
}
