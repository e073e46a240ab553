import { expect } from 'vitest'
import type { Change, CommitResult, Entry, HistoryQuery, Store, Write } from '../../src/store/store.ts'

/** What a case of the store contract works with. */
export interface StoreCase {
  readonly store: Store
  another(): Promise<Store>
  /** A key (or prefix) no other case uses. */
  key(label?: string): string
}

type Options<Op extends Write['op']> = Omit<Extract<Write, { op: Op }>, 'op' | 'key' | 'json' | 'by'>

export const put = (key: string, json: string, options: Options<'put'> = {}): Write => ({
  op: 'put',
  key,
  json,
  ...options,
})
export const remove = (key: string, options: Options<'delete'> = {}): Write => ({
  op: 'delete',
  key,
  ...options,
})
export const increment = (key: string, by: string, options: Options<'increment'> = {}): Write => ({
  op: 'increment',
  key,
  by,
  ...options,
})
export const touch = (key: string, options: Options<'touch'> = {}): Write => ({
  op: 'touch',
  key,
  ...options,
})

/** Commits one write. */
export async function commitOne(store: Store, write: Write): Promise<CommitResult> {
  const results = await store.commit([write])
  expect(results).toHaveLength(1)
  return results[0]!
}

/** The change of an applied result; fails the test for any other. */
export function applied(result: CommitResult | undefined): Change {
  if (result?.status !== 'applied') throw new Error(`expected applied, got ${JSON.stringify(result)}`)
  return result.change
}

export async function commitApplied(store: Store, write: Write): Promise<Change> {
  return applied(await commitOne(store, write))
}

/** A result in short: `applied`, `unchanged 0`, `conflict 7`, `NOT_A_NUMBER`. */
export function brief(result: CommitResult): string {
  if (result.status === 'failed') return result.code
  const repeated = result.repeated ? ' repeated' : ''
  return result.status === 'applied' ? `applied${repeated}` : `${result.status} ${result.revision}${repeated}`
}

/** The fields of a change that the log keeps. */
export function logged(change: Change): Change {
  const { key, revision, at, time, json } = change
  return { key, revision, at, time, json }
}

export async function entryOf(store: Store, key: string): Promise<Entry | undefined> {
  return (await store.get([key])).entries.get(key)
}

/** All changes above `revision`, through as many pages as it takes. */
export async function logSince(store: Pick<Store, 'changesSince'>, revision: number): Promise<Change[]> {
  const all: Change[] = []
  let from = revision
  for (;;) {
    const { changes, head } = await store.changesSince(from, 5_000)
    all.push(...changes)
    from = changes.at(-1)?.revision ?? head
    if (from >= head) return all
  }
}

/** One page of a key's history. */
export async function historyPage(store: Store, query: HistoryQuery): Promise<Change[]> {
  return (await store.history(query)).changes
}
