import { LiveKVError } from '@livekv/protocol'
import type { Change, Entry, Store } from '../store/store.ts'
import type { Hub, Watched } from './hub.ts'

const LOG_PAGE = 5_000
const SMALLEST_LOG_PAGE = 100
const GET_PAGE = 500
const LIST_PAGE = 1_000

/**
 * How long a statement that follows the log may be silent. Short: on a link that has died everything waits for it, and the
 * next try has another connection.
 */
export const LOG_READ_TIMEOUT_MS = 2_000

/** So large a page can be given in time by the database as it is now. */
export class LogPage {
  #limit = LOG_PAGE

  get limit(): number {
    return this.#limit
  }

  failed(): void {
    this.#limit = Math.max(SMALLEST_LOG_PAGE, Math.ceil(this.#limit / 4))
  }

  succeeded(): void {
    this.#limit = Math.min(LOG_PAGE, this.#limit * 2)
  }
}

interface Sources {
  store: Pick<Store, 'changesSince' | 'get' | 'list' | 'head'>
  watched: Watched
  maxGap: number
  page: LogPage
}

/**
 * Brings `contiguous` up to the log's head: page by page from the log, or, when the log no longer has it or the
 * gap is larger than reading the watched keys is worth, by reading those and jumping.
 */
export async function catchUp(hub: Hub, sources: Sources): Promise<void> {
  for (;;) {
    const from = hub.contiguous
    if (hub.knownHead - from > sources.maxGap && isEmpty(sources.watched.prefixes())) {
      return reread(hub, sources)
    }
    let page: { head: number; changes: Change[] }
    try {
      page = await sources.store.changesSince(from, sources.page.limit, LOG_READ_TIMEOUT_MS)
    } catch (error) {
      if (error instanceof LiveKVError && error.code === 'REVISION_COMPACTED') return reread(hub, sources)
      sources.page.failed()
      throw error
    }
    sources.page.succeeded()
    hub.noteHead(page.head)
    hub.fill(page.changes)
    if (hub.contiguous >= page.head || hub.contiguous === from) return
  }
}

/**
 * Reads all that is watched and jumps to the lowest head it was read at (Rules: jump-rereads-watched,
 * jump-to-read-head). What began to be watched meanwhile is read too before the jump, which happens in the tick in
 * which nothing is left to read: its snapshot may be older than the jump (Rule: jump-rereads-joining).
 */
async function reread(hub: Hub, { store, watched }: Sources): Promise<void> {
  const keysDone = new Set<string>()
  const prefixesDone = new Set<string>()
  let lowestHead = Number.POSITIVE_INFINITY
  const seenAt = (head: number) => {
    lowestHead = Math.min(lowestHead, head)
  }
  for (;;) {
    const prefixes = [...watched.prefixes()].filter((prefix) => !prefixesDone.has(prefix))
    for (const prefix of prefixes) {
      // Taken before the list is read: a key that comes later arrives by itself or is in the list.
      const gone = new Set<string>()
      for (const key of watched.known()) if (key.startsWith(prefix)) gone.add(key)
      for (const key of hub.tail.keys()) if (key.startsWith(prefix)) gone.add(key)
      for (let after: string | undefined; ; ) {
        const page = await store.list({ prefix, ...(after === undefined ? {} : { after }), limit: LIST_PAGE })
        seenAt(page.head)
        hub.accept(page.entries.map(changeOf))
        for (const entry of page.entries) gone.delete(entry.key)
        if (!page.more) break
        after = page.entries.at(-1)?.key
      }
      await readKeys(hub, store, [...gone], seenAt)
      prefixesDone.add(prefix)
    }
    const keys = [...watched.keys()].filter((key) => !keysDone.has(key))
    await readKeys(hub, store, keys, seenAt)
    for (const key of keys) keysDone.add(key)
    if (prefixes.length > 0 || keys.length > 0) continue
    if (lowestHead < Number.POSITIVE_INFINITY) break
    // Nobody watches anything: only the head is needed, and while it is read somebody may begin to.
    seenAt(await store.head())
  }
  hub.jump(lowestHead)
}

async function readKeys(
  hub: Hub,
  store: Sources['store'],
  keys: readonly string[],
  seenAt: (head: number) => void,
): Promise<void> {
  for (let i = 0; i < keys.length; i += GET_PAGE) {
    const { head, entries, absent } = await store.get(keys.slice(i, i + GET_PAGE))
    seenAt(head)
    hub.accept([...entries.values()].map(changeOf))
    // Rule: missing-is-deleted.
    for (const [key, revision] of absent) {
      if (revision > 0) hub.accept([deleteOf(key, revision)])
      else hub.acceptAbsence(key, head)
    }
  }
}

/** The change that made the entry. */
export function changeOf(entry: Entry): Change {
  return entry
}

/** The change that ended an entry, as far as a read can tell: when that was is not in its result. */
export function deleteOf(key: string, revision: number): Change {
  const now = Date.now()
  return { key, revision, at: now, time: now, json: null }
}

function isEmpty(items: Iterable<unknown>): boolean {
  for (const _ of items) return false
  return true
}
