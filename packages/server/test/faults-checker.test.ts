/** The checker of the fault run: a run that is right passes, and each rule is seen to speak up when it is broken. */
import { describe, expect, test } from 'vitest'
import { checkInstance, checkReads } from './faults/check-reads.ts'
import { checkTopic } from './faults/check-topic.ts'
import { checkEntries, checkWrites } from './faults/check-writes.ts'
import {
  type LatestEntry,
  type LoggedChange,
  type ReadRecord,
  type TopicRecord,
  timeOfWrite,
  type WriteRecord,
} from './faults/records.ts'

const START_MS = Date.UTC(2026, 0, 1)

interface Run {
  log: LoggedChange[]
  writes: WriteRecord[]
  entries: LatestEntry[]
  reads: ReadRecord[]
  topic: TopicRecord[]
}

let count = 0

/** Each takes 10 ms, one after the other, unless it says otherwise. */
function write(part: Partial<WriteRecord> & Pick<WriteRecord, 'op' | 'key'>): WriteRecord {
  const n = ++count
  return {
    ...{ n, who: 'w', timed: true, keyed: true, tries: [], outcome: 'applied' },
    ...{ sentMs: n * 20, answeredMs: n * 20 + 10 },
    ...(part.op === 'put' && { value: `w ${n}` }),
    ...part,
  }
}

function changeOf({ n, op, key, value, timed }: WriteRecord, revision: number): LoggedChange {
  const atMs = START_MS + revision * 1_000
  const base = { key, revision, atMs, timeMs: timed ? timeOfWrite(n) : atMs }
  return op === 'delete' ? { ...base, op } : { ...base, op: 'put', value: value! }
}

/** A put, a condition on it, increments, an atomic batch, a value that expires, a delete, and what did not happen. */
function rightRun(): Run {
  count = 0
  const writes = [
    write({ op: 'put', key: 'a', revision: 1 }),
    write({ op: 'put', key: 'a', ifRevision: 1, revision: 2 }),
    write({ op: 'increment', key: 'c', by: 2, revision: 3, sum: 2 }),
    write({ op: 'increment', key: 'c', by: 3, revision: 4, sum: 5, outcome: 'applied' }),
    write({ op: 'put', key: 'x', atomic: 1, revision: 5, sentMs: 100, answeredMs: 115 }),
    write({ op: 'put', key: 'y', atomic: 1, revision: 6, sentMs: 100, answeredMs: 115 }),
    write({ op: 'put', key: 't', ttlMs: 500, timed: false, revision: 7 }),
    write({ op: 'delete', key: 'x', revision: 9, instance: 0 }),
    write({ op: 'touch', key: 'y', revision: 10 }),
    write({ op: 'put', key: 'a', ifRevision: 1, outcome: 'refused' }),
    write({ op: 'put', key: 'b', outcome: 'unknown' }),
    write({ op: 'put', key: 'b', outcome: 'unknown' }),
    write({ op: 'delete', key: 'none', outcome: 'unchanged' }),
  ]
  const [first, second, two, five, x, y, t, gone, touched, , landed] = writes as [
    WriteRecord,
    ...WriteRecord[],
  ]
  const log: LoggedChange[] = [
    changeOf(first, 1),
    changeOf(second!, 2),
    { ...changeOf(two!, 3), value: 2 },
    { ...changeOf(five!, 4), value: 5 },
    changeOf(x!, 5),
    changeOf(y!, 6),
    changeOf(t!, 7),
    // Expired.
    { key: 't', op: 'delete', revision: 8, atMs: START_MS + 8_000, timeMs: START_MS + 8_000 },
    changeOf(gone!, 9),
    { ...changeOf(touched!, 10), value: y!.value! },
    changeOf(landed!, 11),
  ]
  const entries = [
    { key: 'a', value: second!.value!, revision: 2 },
    { key: 'b', value: landed!.value!, revision: 11 },
    { key: 'c', value: 5, revision: 4 },
    { key: 'y', value: y!.value!, revision: 10 },
  ]
  const read = (part: Partial<ReadRecord>): ReadRecord => ({
    ...{ who: 'r', instance: 0, key: 'a', sentMs: 1_000, answeredMs: 1_010, revision: 0 },
    ...part,
  })
  const reads = [
    read({ value: first.value!, revision: 1, sentMs: 30, answeredMs: 35 }),
    read({ value: second!.value!, revision: 2 }),
    read({ key: 'x', revision: 9 }),
    read({ key: 'never' }),
    read({ key: 'c', value: 5, revision: 4, atLeast: 8 }),
  ]
  const topic = log.map((change, offset) => ({
    ...{ partition: 0, offset, key: change.key },
    change: { key: change.key, op: change.op, value: change.value, revision: change.revision },
  }))
  return { log, writes, entries, reads, topic }
}

function check({ log, writes, entries, reads, topic }: Run): string[] {
  return [
    ...checkWrites(log, writes),
    ...checkEntries(log, entries, START_MS + 60_000),
    ...checkReads(log, reads, writes),
    ...checkTopic(log, topic, 0),
  ]
}

test('a run that is right passes', () => {
  expect(check(rightRun())).toEqual([])
})

const violations: Record<string, { spoil: (run: Run) => void; said: RegExp }> = {
  'a revision is left out': {
    spoil: ({ log }) => log.splice(6, 1),
    said: /revision 8 stands where 7 belongs/,
  },
  'an entry that the log does not have': {
    spoil: ({ log }) => log.pop(),
    said: /^entry b is w 11 of 11, the last change of the log undefined/,
  },
  'an acknowledged write is not in the log': {
    spoil: ({ writes }) => {
      writes[11]!.outcome = 'applied'
      writes[11]!.revision = 12
    },
    said: /^applied, but in the log as \[\]/,
  },
  'an acknowledged write is in the log twice': {
    spoil: ({ log }) => log.push({ ...log[1]!, revision: 12 }),
    said: /^applied, but in the log as \[2,12\]/,
  },
  'an acknowledged write has another revision': {
    spoil: ({ writes }) => {
      writes[2]!.revision = 4
    },
    said: /^applied, but in the log as \[3\]/,
  },
  'a refused write is in the log': {
    spoil: ({ writes }) => {
      writes[10]!.outcome = 'refused'
    },
    said: /^refused, but in the log as \[11\]/,
  },
  'a write of nothing is in the log': {
    spoil: ({ writes }) => {
      writes[10]!.outcome = 'unchanged'
    },
    said: /^unchanged, but in the log as \[11\]/,
  },
  'an unknown write is in the log twice': {
    spoil: ({ log }) => log.push({ ...log[10]!, revision: 12 }),
    said: /^unknown, but in the log as \[11,12\]/,
  },
  'a value that nobody wrote': {
    spoil: ({ log }) => log.push({ ...log[6]!, value: 'other', revision: 12 }),
    said: /^nobody wrote/,
  },
  'a delete that nobody asked for': {
    spoil: ({ log }) => log.push({ ...log[7]!, key: 'a', revision: 12 }),
    said: /^nobody deleted, and no time was up/,
  },
  'an expiry before its time': {
    spoil: ({ log }) => {
      log[7]!.atMs = log[6]!.atMs + 400
    },
    said: /^nobody deleted, and no time was up/,
  },
  'a write lands on another key': {
    spoil: ({ log }) => {
      log[1]!.key = 'c'
    },
    said: /is of another key/,
  },
  'a put lands as a delete': {
    spoil: ({ log }) => {
      log[1]!.op = 'delete'
    },
    said: /is another operation/,
  },
  'a put lands with another value': {
    spoil: ({ log }) => {
      log[1]!.value = 'other'
    },
    said: /has another value/,
  },
  'a condition that did not hold': {
    spoil: ({ writes }) => {
      writes[1]!.ifRevision = 7
    },
    said: /was applied over revision 1/,
  },
  'a condition on what had been deleted': {
    spoil: ({ writes }) => {
      writes[8]!.ifRevision = 0
    },
    said: /was applied over revision 6/,
  },
  'a delete of nothing is a change': {
    spoil: ({ log, writes }) => {
      log[8]!.key = 'none'
      writes[7]!.key = 'none'
    },
    said: /deletes what had no value/,
  },
  'a touch with another value': {
    spoil: ({ log }) => {
      log[9]!.value = 'other'
    },
    said: /is not w 6 again/,
  },
  'an increment does not add up': {
    spoil: ({ log }) => {
      log[3]!.value = 3
    },
    said: /is not 2 \+ 3/,
  },
  'an increment is answered with another sum': {
    spoil: ({ writes }) => {
      writes[3]!.sum = 3
    },
    said: /was answered as 3/,
  },
  'half of an atomic batch': {
    spoil: ({ writes }) => {
      Object.assign(writes[11]!, { atomic: 2 })
      Object.assign(writes[10]!, { atomic: 2 })
    },
    said: /^an atomic batch was applied as \[11,-\]/,
  },
  'something in the middle of an atomic batch': {
    spoil: ({ writes }) => {
      Object.assign(writes[0]!, { atomic: 3 })
      Object.assign(writes[2]!, { atomic: 3 })
    },
    said: /^an atomic batch was applied as \[1,3\]/,
  },
  'a later write stands before an earlier one': {
    spoil: ({ writes }) => {
      writes[0]!.sentMs = 1_000
    },
    said: /stands before what was acknowledged before it was sent/,
  },
  'the latest value is not that of the log': {
    spoil: ({ entries }) => {
      entries[0]!.value = 'w 1'
    },
    said: /^entry a is w 1 of 2/,
  },
  'the latest value is missing': {
    spoil: ({ entries }) => entries.pop(),
    said: /^no entry for .*"key":"y"/,
  },
  'a deleted key has a value': {
    spoil: ({ entries }) => entries.push({ key: 't', value: 'w 7', revision: 7 }),
    said: /^entry t is w 7 of 7/,
  },
  'a value outlives its time': {
    spoil: ({ entries }) => {
      entries[0]!.expiresAtMs = START_MS + 51_000
    },
    said: /expired 9000 ms ago and is still there/,
  },
  'a read of a value that never was': {
    spoil: ({ reads }) => {
      reads[1]!.value = 'other'
    },
    said: /"value":"other".*, the log has/,
  },
  'a read of an absence that never was': {
    spoil: ({ reads }) => {
      reads[2]!.revision = 5
    },
    said: /"key":"x".*"revision":5.*, the log has/,
  },
  'an instance steps back': {
    spoil: ({ reads }) => {
      reads[0]!.sentMs = 2_000
    },
    said: /is older than what the instance had answered: .*"revision":2/,
  },
  'an instance does not know what it has acknowledged': {
    spoil: ({ reads, writes }) => {
      writes[1]!.instance = 0
      reads[1]!.revision = 1
      reads[1]!.value = 'w 1'
    },
    said: /is older than what the instance had answered: .*"op":"put"/,
  },
  'an instance knows nothing of a value that it has shown': {
    spoil: ({ reads }) =>
      reads.push({ ...reads[1]!, who: 'r2', sentMs: 3_000, revision: 0, value: undefined! }),
    said: /is older than what the instance had answered/,
  },
  'a read is older than it asked for': {
    spoil: ({ reads }) => {
      reads[4]!.revision = 3
      reads[4]!.value = 2
    },
    said: /is older than it asked for/,
  },
  'the topic lacks a change': {
    spoil: ({ topic }) => topic.splice(4, 1),
    said: /^the topic lacks 1 revisions above 0: 5/,
  },
  'the topic has another value': {
    spoil: ({ topic }) => {
      topic[0]!.change.value = 'other'
    },
    said: /^the topic has .*"other"/,
  },
  'a record of the topic has another key': {
    spoil: ({ topic }) => {
      topic[0]!.key = 'b'
    },
    said: /^the topic has /,
  },
}

describe('said when', () => {
  for (const [name, { spoil, said }] of Object.entries(violations)) {
    test(name, () => {
      const run = rightRun()
      spoil(run)
      expect(check(run)).toContainEqual(expect.stringMatching(said))
    })
  }
})

test('what is older than the topic need not be in it', () => {
  const { log, topic } = rightRun()
  expect(checkTopic(log, topic.slice(3), 3)).toEqual([])
})

test('said when an instance reads something else than the store has', () => {
  const { entries } = rightRun()
  const answers = new Map<string, { revision: number; value?: string | number }>([
    ...entries.map((entry) => [entry.key, entry] as const),
    ['none', { revision: 0 }] as const,
  ])
  expect(checkInstance('i', entries, answers)).toEqual([])
  const [a, b, c] = entries as [LatestEntry, LatestEntry, LatestEntry]
  const wrong = new Map(answers)
    .set('a', { ...a, revision: 1 })
    .set('b', { revision: 11 })
    .set('c', { ...c, value: 4 })
    .set('none', b)
  expect(checkInstance('i', entries, wrong).map((problem) => problem.slice(0, 14))).toEqual([
    'i reads a as {',
    'i reads b as {',
    'i reads c as {',
    'i reads none a',
  ])
})
