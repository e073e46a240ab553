import { batch, signal } from '@preact/signals'
import { getEntries, getStoreId, type KeyState, listEntries, listKeys } from '../src/api.ts'
import { connectLive } from '../src/live-connection.ts'
import { throttled } from '../src/throttled.ts'
import { IndexOfKeys } from './index-of-keys.ts'

/** Enough for the first pages in one request; further values are read when their rows are shown. */
const FIRST_VALUES = 200
/** Read in one request; the server's limit is 1,000. */
const MAX_READ_AT_ONCE = 200
const SHOW_EVERY_MS = 100
/** States kept; past it those of rows that are not shown are forgotten, and read again when needed. */
const MAX_STATES = 20_000

/**
 * All keys, and the states of those that are or were shown.
 *
 * (re)connected -> identity of the store -> keys and the first values are read -> every change moves its key's
 * state forward, by revision. What was held before a reconnection is shown on, but read again when its row is shown.
 */
export function liveEntries() {
  const states = new Map<string, KeyState>()
  const outdated = new Set<string>()
  let index = new IndexOfKeys([])
  let shown: ReadonlySet<string> = new Set()
  /** Rises when anything shown may differ; the maps are too large to copy. */
  const version = signal(0)
  const loaded = signal(false)
  const truncated = signal(false)
  const error = signal<unknown>(undefined)
  let storeId: string | undefined
  let loads = 0
  /** Keys to read, each with the highest revision known of it. */
  const wanted = new Map<string, number>()
  let reading = false

  const show = throttled(SHOW_EVERY_MS, () => {
    version.value++
  })

  function accept(key: string, next: KeyState): void {
    const held = states.get(key)
    if (held && held.revision > next.revision) return
    states.set(key, next)
    outdated.delete(key)
    if (next.json === null) index.delete(key)
    else index.add(key)
    if (states.size > MAX_STATES) for (const one of states.keys()) if (!shown.has(one)) states.delete(one)
    show()
  }

  async function load(): Promise<void> {
    const mine = ++loads
    try {
      const id = await getStoreId().catch(() => undefined)
      if (id !== undefined && storeId !== undefined && id !== storeId) states.clear()
      storeId = id ?? storeId
      const before = new Map(states)
      const [listed, first] = await Promise.all([listKeys(), listEntries(FIRST_VALUES)])
      if (mine !== loads) return
      batch(() => {
        index = new IndexOfKeys(listed.keys)
        for (const [key, state] of states) {
          // What arrived while the list was read may be newer than the list.
          if (before.get(key) === state) outdated.add(key)
          else if (state.json === null) index.delete(key)
          else index.add(key)
        }
        for (const [key, state] of first) accept(key, state)
        truncated.value = listed.truncated
        loaded.value = true
        error.value = undefined
        version.value++
      })
    } catch (reason) {
      if (mine === loads) error.value = reason
    }
  }

  /** Tells which rows are shown: what is not known of them is read. */
  function showing(keys: readonly string[]): void {
    shown = new Set(keys)
    for (const key of wanted.keys()) if (!shown.has(key)) wanted.delete(key)
    for (const key of keys) if (!states.has(key) || outdated.has(key)) wanted.set(key, 0)
    void readWanted()
  }

  async function readWanted(): Promise<void> {
    if (reading) return
    reading = true
    while (wanted.size > 0) {
      const seen = new Map([...wanted].slice(0, MAX_READ_AT_ONCE))
      const keys = [...seen.keys()]
      for (const key of keys) {
        wanted.delete(key)
        outdated.delete(key)
      }
      try {
        const held = (key: string) => Math.max(seen.get(key) ?? 0, states.get(key)?.revision ?? 0)
        for (const [key, state] of await getEntries(keys, held)) accept(key, state)
      } catch {
        // The badge tells of a lost connection; these are read with the next one, or the next page of rows.
        for (const key of keys) outdated.add(key)
        break
      }
    }
    reading = false
  }

  const connection = connectLive({
    onReady: () => void load(),
    onChange: ({ key, value, timestamp, revision }) => {
      // Null is a value as well as a delete, and a number past 2^53 lost its digits on the way: the entry tells.
      if (value === null || (typeof value === 'number' && Math.abs(value) > Number.MAX_SAFE_INTEGER)) {
        wanted.set(key, revision)
        void readWanted()
      } else accept(key, { json: JSON.stringify(value), revision, at: timestamp, time: timestamp })
    },
  })
  void load()

  return {
    version,
    loaded,
    truncated,
    error,
    connection,
    size: () => index.size,
    matching: (search: string) => index.matching(search),
    has: (key: string) => index.has(key),
    state: (key: string) => states.get(key),
    accept,
    showing,
    reload: () => void load(),
  }
}

export type LiveEntries = ReturnType<typeof liveEntries>
