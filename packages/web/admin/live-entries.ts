import type { Entry } from '@livekv/client'
import { effect, signal } from '@preact/signals'
import { client, connection } from '../src/live.ts'
import { throttled } from '../src/throttled.ts'
import { IndexOfKeys } from './index-of-keys.ts'

/** Up to so many keys everything is watched; with more, the keys are listed and the rows shown are watched. */
const WATCH_ALL_MAX = 5_000
const LIST_EVERY_MS = 5_000
const SHOW_EVERY_MS = 100
/** Rows that are passed over, turning pages or typing a search, are not watched. */
const SETTLE_MS = 150
/** The client keeps a watch for a second after its last use: rows that join it within that keep it open for good. */
const UNWATCHED_MS = 1_500

/**
 * The keys that there are, and the values of the rows that are shown.
 *
 * keys are listed ─┬─ a few thousand ─> everything is watched, the rows see what that watch has ── too many ─┐
 *                  └─ more ─> listed again every few seconds; each row has a watch of its own  <─────────────┘
 */
export function liveEntries() {
  let index = new IndexOfKeys([])
  /** Rises when the keys may differ; the index is too large to copy. */
  const version = signal(0)
  const loaded = signal(false)
  const truncated = signal(false)
  const error = signal<unknown>(undefined)
  /** Rows of another one subscribe anew. */
  const generation = signal(0)
  let rowsWaitUntilMs = 0
  /** What was learned of keys while a list is on its way, which may be older. */
  let learned: Map<string, boolean> | undefined
  let isLoading = false
  let isListing = false

  const show = throttled(SHOW_EVERY_MS, () => {
    version.value++
  })

  function learn(key: string, isThere: boolean): void {
    learned?.set(key, isThere)
    if (isThere ? index.add(key) : index.delete(key)) show()
  }

  async function load(): Promise<void> {
    if (isLoading) return
    isLoading = true
    error.value = undefined
    try {
      const { keys, truncated: isCut } = await client.keys()
      if (isCut || keys.length > WATCH_ALL_MAX) beginListing()
      else watchAll()
    } catch (reason) {
      error.value = reason
    }
    isLoading = false
  }

  function watchAll(): void {
    const stop = client.watch({ all: true }, (event) => {
      if (event.type === 'put' || event.type === 'delete') learn(event.key, event.type === 'put')
      else if (event.type === 'current') loaded.value = true
      else if (event.type === 'error') {
        if (event.error.code === 'SELECTION_TOO_LARGE') beginListing()
        else error.value = event.error
      }
      if (index.size > WATCH_ALL_MAX && !isListing) {
        stop()
        beginListing()
      }
    })
  }

  function beginListing(): void {
    isListing = true
    rowsWaitUntilMs = performance.now() + UNWATCHED_MS
    generation.value++
    void list()
    setInterval(() => void list(), LIST_EVERY_MS)
    document.addEventListener('visibilitychange', () => void list())
  }

  async function list(): Promise<void> {
    if (document.hidden || learned) return
    learned = new Map()
    try {
      const { keys, truncated: isCut } = await client.keys()
      index = new IndexOfKeys(keys)
      for (const [key, isThere] of learned) isThere ? index.add(key) : index.delete(key)
      truncated.value = isCut
      loaded.value = true
      error.value = undefined
      version.value++
    } catch (reason) {
      // Later, the badge tells of a lost connection, and the next list makes up for this one.
      if (!loaded.value) error.value = reason
    } finally {
      learned = undefined
    }
  }

  /** Calls `run` with what the key has now and at each change; returns the end of it. */
  function follow(key: string, run: (entry: Entry | null | undefined) => void): () => void {
    let stop = () => {}
    const begin = () => {
      stop = client.value(key).subscribe((entry) => {
        if (entry === null) learn(key, false)
        run(entry)
      })
    }
    const timer = setTimeout(begin, Math.max(SETTLE_MS, rowsWaitUntilMs - performance.now()))
    return () => {
      clearTimeout(timer)
      stop()
    }
  }

  void load()
  effect(() => {
    if (connection.value.name === 'live' && error.peek() !== undefined && !isListing) void load()
  })

  return {
    version,
    loaded,
    truncated,
    error,
    generation,
    size: () => index.size,
    matching: (search: string) => index.matching(search),
    has: (key: string) => index.has(key),
    /** A write of this page was acknowledged: its key is there before it is listed. */
    wasWritten: (key: string) => {
      if (isListing) learn(key, true)
    },
    follow,
    reload: () => void (isListing ? list() : load()),
  }
}

export type LiveEntries = ReturnType<typeof liveEntries>
