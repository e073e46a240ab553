import { LiveKVError } from '@livekv/protocol'
import { expect, test } from 'vitest'
import { Committer, type CommitterOptions } from '../src/committer.ts'
import type { Change, CommitResult, Write } from '../src/store/store.ts'
import { HeldCalls, settle } from './support/held-calls.ts'
import { LogOracle } from './support/log-oracle.ts'

function put(key: string, json = '1'): Write {
  return { op: 'put', key, json }
}

/** A committer whose commits end when the test says so. */
function held(options: Partial<CommitterOptions> = {}) {
  const oracle = new LogOracle()
  const calls = new HeldCalls()
  const batches: Write[][] = []
  const committed: Change[] = []
  let failure: unknown
  const committer = new Committer({
    store: {
      commit: (writes) => {
        batches.push([...writes])
        return calls.hold(() => {
          if (failure) throw failure
          return oracle.commit(writes)
        })
      },
    },
    onCommitted: (changes) => committed.push(...changes),
    ...options,
  })
  const fail = (error: unknown) => {
    failure = error
  }
  return { committer, calls, batches, committed, fail }
}

const revisions = (results: CommitResult[]) =>
  results.map((result) => (result.status === 'applied' ? result.change.revision : result.status))

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'resolved',
    (error) => (error instanceof LiveKVError ? error.code : String(error)),
  )

test('the next batch is on its way before the one before is answered, answers stay in order, a close waits for them', async () => {
  const events: string[] = []
  const { committer, calls } = held({ onCommitted: (changes) => events.push(`told ${changes[0]?.key}`) })
  const answered = (name: string, write: Promise<unknown>) =>
    write.then(() => events.push(`answered ${name}`))
  const writes = [answered('a', committer.submit([put('a')]))]
  await settle()
  writes.push(answered('b', committer.submit([put('b')])), answered('c', committer.submit([put('c')])))
  calls.finishOne()
  await Promise.resolve()
  await Promise.resolve()
  expect([calls.size, events]).toEqual([1, ['told a']])
  calls.finishOne()
  const closed = committer.close().then(() => events.push('closed'))
  await Promise.all([...writes, closed])
  expect(events).toEqual(['told a', 'told b', 'answered a', 'answered b', 'answered c', 'closed'])
})

test('a lone write is committed at once; what comes meanwhile forms one batch, one commit at a time', async () => {
  const { committer, calls, batches } = held()
  const first = committer.submit([put('a')])
  await settle()
  expect(batches).toHaveLength(1)
  const others = [committer.submit([put('b'), put('a')]), committer.submit([put('c')])]
  await settle()
  expect(batches).toHaveLength(1)
  calls.finishOne()
  expect(revisions(await first)).toEqual([1])
  await settle()
  expect(batches.map((batch) => batch.map((write) => write.key))).toEqual([['a'], ['b', 'a', 'c']])
  calls.finishOne()
  expect((await Promise.all(others)).map(revisions)).toEqual([[2, 3], [4]])
})

test('what was applied is handed on before its writer is answered, and what was not is not', async () => {
  const { committer, calls, committed } = held()
  const done = committer
    .submit([put('a'), { ...put('a'), ifRevision: 7 }, { op: 'delete', key: 'b' }])
    .then((results) => ({
      results: revisions(results),
      committed: committed.map((change) => change.revision),
    }))
  await settle()
  calls.finishOne()
  expect(await done).toEqual({ results: [1, 'conflict', 'unchanged'], committed: [1] })
})

test('a failed commit fails exactly the writers of its batch', async () => {
  const { committer, calls, fail, committed } = held()
  const first = codeOf(committer.submit([put('a')]))
  await settle()
  const second = codeOf(committer.submit([put('b')]))
  fail(new LiveKVError('COMMIT_UNKNOWN', 'No answer.'))
  calls.finishOne()
  expect(await first).toBe('COMMIT_UNKNOWN')
  fail(undefined)
  await settle()
  calls.finishOne()
  expect(await second).toBe('resolved')
  expect(committed.map((change) => change.key)).toEqual(['b'])
})

test('batches are bounded in items and in characters, requests stay whole', async () => {
  const { committer, calls, batches } = held({ maxBatchItems: 4, maxBatchBytes: 1_000 })
  const first = committer.submit([put('first')])
  await settle()
  const big = 'x'.repeat(600)
  const rest = [[put('a'), put('b')], [put('c'), put('d')], [put('e', big)], [put('f', big)]]
  const all = [first, ...rest.map((writes) => committer.submit(writes))]
  for (let i = 0; i < 5; i++) {
    calls.finishOne()
    await settle()
  }
  await Promise.all(all)
  expect(batches.map((batch) => batch.map((write) => write.key).join(''))).toEqual([
    'first',
    'abcd',
    'e',
    'f',
  ])
})

test('a request larger than a batch is split between atomic groups, and answered in order', async () => {
  const { committer, calls, batches } = held({ maxBatchItems: 3 })
  const group = (key: string): Write => ({ ...put(key), atomicGroup: 9 })
  const done = committer.submit([
    put('a'),
    put('b'),
    group('c'),
    group('d'),
    group('e'),
    group('f'),
    put('g'),
  ])
  for (let i = 0; i < 3; i++) {
    await settle()
    calls.finishOne()
  }
  expect(revisions(await done)).toEqual([1, 2, 3, 4, 5, 6, 7])
  expect(batches.map((batch) => batch.map((write) => write.key).join(''))).toEqual(['ab', 'cdef', 'g'])
})

test('a split request of which a part failed is not reported as not applied', async () => {
  const { committer, calls, fail } = held({ maxBatchItems: 1 })
  const done = codeOf(committer.submit([put('a'), put('b')]))
  await settle()
  calls.finishOne()
  await settle()
  fail(new LiveKVError('STORE_FAILED', 'Gone.'))
  calls.finishOne()
  expect(await done).toBe('COMMIT_UNKNOWN')
})

test('atomic groups of different requests stay different groups in one batch', async () => {
  const { committer, calls, batches } = held()
  const first = committer.submit([put('a')])
  await settle()
  const group = (key: string, atomicGroup: number): Write => ({ ...put(key), atomicGroup })
  const rest = [
    committer.submit([group('b', 1), group('c', 1)]),
    committer.submit([group('d', 1), group('e', 2)]),
    committer.submit([put('f')]),
  ]
  calls.finishOne()
  await settle()
  calls.finishOne()
  await Promise.all([first, ...rest])
  const groups = batches[1]?.map((write) => write.atomicGroup) ?? []
  expect(groups[0]).toBe(groups[1])
  expect(new Set(groups).size).toBe(4)
  expect(groups[4]).toBeUndefined()
})

test.each([
  ['items', { maxQueuedItems: 2 }],
  ['characters', { maxQueuedBytes: 150 }],
])('past its limit of %s the queue answers OVERLOADED and keeps what it has', async (_, limits) => {
  const { committer, calls } = held(limits)
  const first = committer.submit([put('a')])
  await settle()
  const waiting = [committer.submit([put('b')]), committer.submit([put('c')])]
  const refused = committer.submit([put('d')])
  await expect(refused).rejects.toMatchObject({ code: 'OVERLOADED', details: { retryAfterSeconds: 1 } })
  calls.finishOne()
  await settle()
  calls.finishOne()
  expect((await Promise.all([first, ...waiting])).map(revisions)).toEqual([[1], [2], [3]])
})

test('on close everything taken is committed and nothing new is taken', async () => {
  const { committer, calls } = held()
  const taken = [committer.submit([put('a')])]
  await settle()
  taken.push(committer.submit([put('b')]))
  let closed = false
  const closing = committer.close().then(() => {
    closed = true
  })
  expect(await codeOf(committer.submit([put('c')]))).toBe('SHUTTING_DOWN')
  calls.finishOne()
  await settle()
  expect(closed).toBe(false)
  calls.finishOne()
  await closing
  expect((await Promise.all(taken)).map(revisions)).toEqual([[1], [2]])
})
