import type { CommitResult, Write } from '../../src/store/store.ts'
import { addDecimals, isFiniteNumber } from './decimal.ts'

interface ModelEntry {
  json: string
  revision: number
  /** Life of the entry from the commit of the change that set it; null: does not expire. */
  expiry: { since: number; ttlMs: number } | null
}

/** A change without what only the database knows (`at`); `time` null: the commit's. */
export interface ModelChange {
  key: string
  revision: number
  json: string | null
  time: number | null
}

export type ModelResult =
  | { status: 'applied'; change: ModelChange; repeated: boolean }
  | { status: 'unchanged' | 'conflict'; revision: number; repeated: boolean }
  | { status: 'failed'; code: Extract<CommitResult, { status: 'failed' }>['code'] }

interface State {
  entries: Map<string, ModelEntry>
  log: ModelChange[]
  head: number
  remembered: Map<string, { write: string; result: ModelResult }>
}

/**
 * The store's rules in their plainest form: one write after the other, no clock, no SQL. What it says is what a
 * Store must answer.
 */
export class ModelStore {
  #state: State

  constructor(head: number) {
    this.#state = { entries: new Map(), log: [], head, remembered: new Map() }
  }

  get entries(): ReadonlyMap<string, ModelEntry> {
    return this.#state.entries
  }

  remembers(idempotencyKey: string): boolean {
    return this.#state.remembered.has(idempotencyKey)
  }

  get log(): readonly ModelChange[] {
    return this.#state.log
  }

  get head(): number {
    return this.#state.head
  }

  /** One that goes on from here on its own, without the log so far. */
  copy(): ModelStore {
    const copy = new ModelStore(this.head)
    copy.#state = { ...this.#saved(), log: [] }
    return copy
  }

  #saved(): State {
    const { entries, log, head, remembered } = this.#state
    return { entries: new Map(entries), log: [...log], head, remembered: new Map(remembered) }
  }

  commit(writes: readonly Write[]): ModelResult[] {
    const results: ModelResult[] = []
    for (let from = 0; from < writes.length; ) {
      const group = writes[from]!.atomicGroup
      let to = from + 1
      while (group !== undefined && to < writes.length && writes[to]!.atomicGroup === group) to++
      results.push(
        ...(group === undefined ? [this.#one(writes[from]!)] : this.#group(writes.slice(from, to))),
      )
      from = to
    }
    return results
  }

  #group(writes: readonly Write[]): ModelResult[] {
    const before = this.#saved()
    const results: ModelResult[] = []
    for (const [failedAt, write] of writes.entries()) {
      const result = this.#one(write)
      if (result.status === 'failed' || result.status === 'conflict') {
        this.#state = before
        return writes.map((other, i) => (i === failedAt ? result : (this.#repeat(other) ?? aborted)))
      }
      results.push(result)
    }
    return results
  }

  #one(write: Write): ModelResult {
    const known =
      write.idempotencyKey === undefined ? undefined : this.#state.remembered.get(write.idempotencyKey)
    if (known) return this.#repeat(write) ?? { status: 'failed', code: 'IDEMPOTENCY_MISMATCH' }
    const result = this.#decide(write)
    const refused = result.status === 'failed' && result.code === 'INVALID_VALUE'
    if (write.idempotencyKey !== undefined && !refused) {
      this.#state.remembered.set(write.idempotencyKey, { write: payloadOf(write), result })
    }
    return result
  }

  /** The first result of a write that is remembered. */
  #repeat(write: Write): ModelResult | undefined {
    const known =
      write.idempotencyKey === undefined ? undefined : this.#state.remembered.get(write.idempotencyKey)
    if (known?.write !== payloadOf(write)) return undefined
    return known.result.status === 'failed' ? known.result : { ...known.result, repeated: true }
  }

  #decide(write: Write): ModelResult {
    const { entries } = this.#state
    const present = entries.get(write.key)
    if (write.ifRevision !== undefined && write.ifRevision !== (present?.revision ?? 0)) {
      return { status: 'conflict', revision: present?.revision ?? 0, repeated: false }
    }
    const expiry = (ttlMs: number | undefined) =>
      ttlMs === undefined ? null : { since: this.head + 1, ttlMs }
    switch (write.op) {
      case 'put':
        if (write.skipUnchanged && present?.json === write.json) {
          return { status: 'unchanged', revision: present.revision, repeated: false }
        }
        if (!isJson(write.json)) return { status: 'failed', code: 'INVALID_VALUE' }
        return this.#apply(write, write.json, expiry(write.ttlMs))
      case 'delete':
        if (!present) return { status: 'unchanged', revision: 0, repeated: false }
        return this.#apply(write, null, null)
      case 'touch':
        if (!present) return { status: 'failed', code: 'KEY_NOT_FOUND' }
        return this.#apply(write, present.json, expiry(write.ttlMs))
      case 'increment': {
        if (present && typeof JSON.parse(present.json) !== 'number')
          return { status: 'failed', code: 'NOT_A_NUMBER' }
        const sum = addDecimals(present?.json ?? '0', write.by)
        if (!isFiniteNumber(sum)) return { status: 'failed', code: 'NOT_A_NUMBER' }
        return this.#apply(
          write,
          sum,
          write.ttlMs === undefined ? (present?.expiry ?? null) : expiry(write.ttlMs),
        )
      }
    }
  }

  #apply(write: Write, json: string | null, expiry: ModelEntry['expiry']): ModelResult {
    const state = this.#state
    const revision = ++state.head
    const change = { key: write.key, revision, json, time: write.time ?? null }
    state.log.push(change)
    if (json === null) state.entries.delete(write.key)
    else state.entries.set(write.key, { json, revision, expiry })
    return { status: 'applied', change, repeated: false }
  }
}

const aborted: ModelResult = { status: 'failed', code: 'ATOMIC_ABORTED' }

/** What makes two writes the same: everything but the key of the repeat and the group. */
function payloadOf({ idempotencyKey: _, atomicGroup: __, ...payload }: Write): string {
  return JSON.stringify(payload, Object.keys(payload).sort())
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
