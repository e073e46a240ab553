import type { Change, Entry, WatchAnswer } from '@livekv/protocol'
import { expect, test } from 'vitest'
import { partsOf, type Selection } from '../src/selection.ts'
import { SharedWatch, type Subscriber } from '../src/shared-watch.ts'

/** What no single server sends, and a client has to stand all the same: other instances, other stores, late frames. */

const TIME = '2026-01-01T00:00:00.000Z'
const entry = (key: string, revision: number): Entry => ({
  key,
  value: `v${revision}`,
  revision,
  updatedAt: TIME,
  time: TIME,
})
const put = (key: string, revision: number): Change => ({
  op: 'put',
  key,
  value: `v${revision}`,
  revision,
  at: TIME,
  time: TIME,
})
const gone = (key: string, revision: number): Change => ({
  op: 'delete',
  key,
  revision,
  at: TIME,
  time: TIME,
})
const begun = (answer: Partial<WatchAnswer> = {}) => ({
  reset: false,
  resumed: false,
  storeId: 's',
  ...answer,
})

class Told implements Subscriber {
  readonly part
  readonly story: string[] = []
  constructor(selection: Selection) {
    this.part = partsOf(selection)[0]!
  }
  change: Subscriber['change'] = ({ type, key, revision }) => this.story.push(`${type} ${key}${revision}`)
  reset = () => this.story.push('reset')
  current = () => this.story.push('current')
  failed = () => this.story.push('failed')
  take(): string[] {
    return this.story.splice(0)
  }
}

async function watched(entries: Entry[], selection: Selection = { prefix: '' }) {
  const told = new Told(selection)
  const watch = new SharedWatch(partsOf({ prefix: '' })[0]!)
  watch.subscribe(told)
  await Promise.resolve()
  watch.answered(begun())
  watch.snapshotFrame({ watch: '1', entries, end: true, cursor: 'c1' })
  told.take()
  return { watch, told }
}

const changed = (watch: SharedWatch, ...changes: Change[]) =>
  watch.changesFrame({ watch: '1', changes, cursor: 'c' })

test('older revisions are dropped, of deleted keys too', async () => {
  const { watch, told } = await watched([entry('a', 5)])
  changed(watch, put('a', 4), put('a', 5), put('a', 7), put('a', 6), gone('a', 6))
  expect(told.take()).toEqual(['put a7'])
  changed(watch, gone('a', 9), put('a', 8), gone('b', 3), put('b', 2), put('a', 10))
  expect(told.take()).toEqual(['delete a9', 'put a10'])
  expect([watch.get('a')?.revision, watch.get('b')]).toEqual([10, null])
})

test('a snapshot removes what it does not contain, unless it changed meanwhile', async () => {
  const { watch, told } = await watched([entry('a', 1), entry('b', 2), entry('c', 3), entry('d', 4)])
  watch.interrupted()
  watch.answered(begun())
  watch.snapshotFrame({ watch: '2', entries: [entry('a', 1), entry('b', 1)], end: false })
  watch.changesFrame({ watch: '2', changes: [put('c', 8), put('e', 9)] })
  expect(told.take()).toEqual(['put c8', 'put e9'])
  watch.snapshotFrame({ watch: '2', entries: [], end: true, cursor: 'c2' })
  expect(told.take()).toEqual(['delete d4', 'current'])
  expect(watch.get('b')?.revision).toBe(2)
})

test('an absence in a snapshot that was behind does not hold for ever', async () => {
  const { watch, told } = await watched([entry('a', 5)])
  watch.interrupted()
  watch.answered(begun())
  watch.snapshotFrame({ watch: '2', entries: [], end: true, cursor: 'c2' })
  changed(watch, put('a', 4), put('a', 5))
  expect(told.take()).toEqual(['delete a5', 'current', 'put a5'])
})

test('a snapshot in the middle of a watch, which the server begins by itself, replaces everything', async () => {
  const { watch, told } = await watched([entry('a', 1), entry('b', 2)])
  watch.snapshotFrame({ watch: '1', entries: [entry('b', 5)], end: false })
  expect(watch.isCurrent).toBe(false)
  watch.snapshotFrame({ watch: '1', entries: [], end: true, cursor: 'c2' })
  expect(told.take()).toEqual(['put b5', 'delete a1', 'current'])
})

test('after a reset nothing that was known counts', async () => {
  const { watch, told } = await watched([entry('a', 900), entry('b', 901), entry('c', 902)])
  changed(watch, gone('c', 903))
  told.take()
  watch.interrupted()
  watch.answered(begun({ reset: true }))
  expect([watch.cursor, told.take()]).toEqual([undefined, ['reset']])
  watch.snapshotFrame({ watch: '2', entries: [entry('a', 7), entry('c', 2)], end: false })
  watch.snapshotFrame({ watch: '2', entries: [], end: true, cursor: 'c2' })
  // What is left over of the other store has no revision of this one, which might come back with a lower one.
  expect(told.take()).toEqual(['put a7', 'put c2', 'delete b0', 'current'])
  changed(watch, put('b', 8))
  expect(told.take()).toEqual(['put b8'])
})

test('another store is noticed by its name, even without a cursor that tells', async () => {
  const told = new Told({ prefix: '' })
  const watch = new SharedWatch(told.part)
  watch.subscribe(told)
  await Promise.resolve()
  watch.answered(begun())
  watch.snapshotFrame({ watch: '1', entries: [entry('a', 900)], end: false })
  watch.interrupted()
  watch.answered(begun({ storeId: 'other' }))
  watch.snapshotFrame({ watch: '2', entries: [entry('a', 1)], end: true, cursor: 'c' })
  expect(told.take()).toEqual(['put a900', 'reset', 'put a1', 'current'])
})

test('who begins to look between a reset and its end sees nothing of the old store', async () => {
  const { watch } = await watched([entry('a', 900)])
  watch.interrupted()
  watch.answered(begun({ reset: true }))
  const late = new Told({ key: 'a' })
  watch.subscribe(late)
  await Promise.resolve()
  expect(late.take()).toEqual([])
  watch.snapshotFrame({ watch: '2', entries: [entry('a', 7)], end: true, cursor: 'c2' })
  expect(late.take()).toEqual(['put a7', 'current'])
})

test('who looks at one key is told of that one only', async () => {
  const { watch } = await watched([entry('a', 1), entry('b', 2)])
  const one = new Told({ key: 'a' })
  const prefix = new Told({ prefix: 'b' })
  watch.subscribe(one)
  watch.subscribe(prefix)
  expect(one.story).toEqual([])
  await Promise.resolve()
  changed(watch, put('a', 3), put('ab', 4), put('b', 5))
  expect(one.take()).toEqual(['put a1', 'current', 'put a3'])
  expect(prefix.take()).toEqual(['put b2', 'current', 'put b5'])
})

test('what is made from a wider watch knows what that knew, and its looker is told the news only', async () => {
  const { watch, told } = await watched([entry('a', 5), entry('b', 6)], { key: 'a' })
  changed(watch, gone('b', 7))
  const newcomer = new Told({ key: 'a' })
  watch.subscribe(newcomer)
  const own = new SharedWatch(told.part, watch)
  own.adopt(told, watch)
  own.adopt(newcomer, watch)
  await Promise.resolve()
  expect([own.get('a')?.revision, told.take(), newcomer.take()]).toEqual([5, [], ['put a5']])
  changed(watch, put('a', 8))
  own.answered(begun())
  own.snapshotFrame({ watch: '2', entries: [entry('a', 5)], end: true, cursor: 'c2' })
  changed(own, put('a', 9))
  expect([told.take(), newcomer.take()]).toEqual([
    ['current', 'put a9'],
    ['current', 'put a9'],
  ])
})

test('what is made from a wider watch notices another store', async () => {
  const { watch, told } = await watched([entry('a', 900)], { key: 'a' })
  const own = new SharedWatch(told.part, watch)
  own.adopt(told, watch)
  own.answered(begun({ storeId: 'other' }))
  own.snapshotFrame({ watch: '2', entries: [entry('a', 1)], end: true, cursor: 'c2' })
  expect(told.take()).toEqual(['reset', 'put a1', 'current'])
})
