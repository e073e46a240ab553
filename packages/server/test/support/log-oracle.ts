import { LiveKVError } from '@livekv/protocol'
import type { Change, CommitResult, Entry, ReadResult, Write } from '../../src/store/store.ts'

/**
 * The log as a plain array: what any instance may truthfully be told, and the oracle its answers are checked by.
 * Puts and deletes only. Not a store to build on: it exists so that a test can hold every answer back.
 */
export class LogOracle {
  readonly log: Change[] = []
  compactedThrough = 0

  get head(): number {
    return this.log.length
  }

  /** The latest change of the key as of `asOf`. */
  latest(key: string, asOf = this.head): Change | undefined {
    return this.log.findLast((change) => change.revision <= asOf && change.key === key)
  }

  append(write: Write, expiryKnown = false): Change {
    const revision = this.head + 1
    const json = write.op === 'put' ? write.json : null
    const change: Change = { key: write.key, revision, at: revision, time: revision, json }
    this.log.push(change)
    return expiryKnown ? { ...change, expiresAt: null } : change
  }

  commit(writes: readonly Write[]): CommitResult[] {
    return writes.map((write) => {
      const present = this.latest(write.key)
      const revision = present?.json ? present.revision : 0
      if (write.ifRevision !== undefined && write.ifRevision !== revision)
        return { status: 'conflict', revision }
      if (write.op === 'delete' && revision === 0) return { status: 'unchanged', revision: 0 }
      return { status: 'applied', change: this.append(write, true) }
    })
  }

  get(keys: readonly string[]): ReadResult {
    const entries = new Map<string, Entry>()
    const absent = new Map<string, number>()
    for (const key of keys) {
      const change = this.latest(key)
      const entry = change && entryOf(change)
      if (entry) entries.set(key, entry)
      else absent.set(key, change && change.revision > this.compactedThrough ? change.revision : 0)
    }
    return { head: this.head, entries, absent }
  }

  list(page: { prefix?: string; after?: string; limit: number }) {
    const keys = [...new Set(this.log.map((change) => change.key))].sort()
    const entries = [...this.get(keys).entries.values()].filter(
      ({ key }) => key.startsWith(page.prefix ?? '') && (page.after === undefined || key > page.after),
    )
    return {
      head: this.head,
      entries: entries.slice(0, page.limit),
      more: entries.length > page.limit,
    }
  }

  listRevisions(page: { after?: string; limit: number }) {
    const { head, entries } = this.list(page)
    return { head, keys: entries.map(({ key, revision }) => ({ key, revision })) }
  }

  changesSince(revision: number, limit: number) {
    if (revision < this.compactedThrough) {
      throw new LiveKVError('REVISION_COMPACTED', `Revision ${revision} is gone.`)
    }
    return { head: this.head, changes: this.log.slice(revision, revision + limit) }
  }

  latestChanges(limit: number) {
    return { head: this.head, changes: this.log.slice(-limit).reverse() }
  }
}

export function entryOf(change: Change): Entry | undefined {
  if (change.json === null) return undefined
  return { ...change, json: change.json, expiresAt: null }
}
