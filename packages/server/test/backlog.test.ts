import { getEventListeners } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { Backlog } from '../src/bus/backlog.ts'
import type { Change } from '../src/store/store.ts'

/** Each weighs about 1,000. */
const changes = (from: number, to: number): Change[] =>
  Array.from({ length: to - from + 1 }, (_, n) => ({
    ...{ key: 'k', revision: from + n, at: 0, time: 0 },
    json: '1'.repeat(698),
  }))
const revisions = (taken: readonly Change[]) => taken.map(({ revision }) => revision)

test('gives them in order, as many as fit, at least one', () => {
  const backlog = new Backlog(1_000_000)
  backlog.add(changes(1, 5))
  expect(revisions(backlog.take(2_500))).toEqual([1, 2])
  backlog.add(changes(6, 6))
  expect(revisions(backlog.take(1))).toEqual([3])
  expect(backlog.size).toBe(3)
  expect(revisions(backlog.take(1_000_000))).toEqual([4, 5, 6])
  expect([backlog.size, backlog.bytes]).toEqual([0, 0])
  expect(backlog.take(100)).toEqual([])
})

test('past its limit the oldest go, and what is put back is the oldest again', () => {
  const backlog = new Backlog(4_000)
  expect(backlog.add(changes(1, 6))).toBe(2)
  const taken = backlog.take(2_000)
  expect(revisions(taken)).toEqual([3, 4])
  expect(backlog.putBack(taken)).toBe(0)
  expect(backlog.add(changes(7, 7))).toBe(1)
  const rest = backlog.take(1_000_000)
  expect(revisions(rest)).toEqual([4, 5, 6, 7])
  backlog.add(changes(8, 10))
  expect(backlog.putBack(rest)).toBe(3)
  expect(revisions(backlog.take(1_000_000))).toEqual([7, 8, 9, 10])
})

test('one that is larger than the limit is kept while it is alone', () => {
  const backlog = new Backlog(100)
  expect(backlog.add(changes(1, 1))).toBe(0)
  expect(backlog.add(changes(2, 2))).toBe(1)
  expect(revisions(backlog.take(100))).toEqual([2])
})

test('wakes whoever waits', async () => {
  const backlog = new Backlog(4_000)
  const stop = new AbortController()
  const filled = backlog.whenFilled(stop.signal)
  backlog.add(changes(1, 1))
  await filled
  await backlog.whenFilled(stop.signal)
  backlog.take(1)
  const aborted = backlog.whenFilled(stop.signal)
  stop.abort()
  await aborted
})

test('waiting again and again leaves nothing at the signal', async () => {
  const backlog = new Backlog(4_000)
  const { signal } = new AbortController()
  for (let n = 0; n < 20; n++) {
    const filled = backlog.whenFilled(signal)
    backlog.add(changes(n, n))
    await filled
    backlog.take(1_000_000)
  }
  expect(getEventListeners(signal, 'abort')).toHaveLength(0)
})

test('what went for lack of room is not held in memory, also while nobody takes anything', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const backlog = new Backlog(4_000)
  const refs = changes(1, 100).map((change) => {
    backlog.add([change])
    return new WeakRef(change)
  })
  // What a WeakRef was made of is kept until the turn of the event loop ends.
  await new Promise((resolve) => setImmediate(resolve))
  collect()
  const held = refs.filter((ref) => ref.deref() !== undefined).length
  expect(held).toBeGreaterThanOrEqual(backlog.size)
  expect(held).toBeLessThan(2 * backlog.size + 2)
})
