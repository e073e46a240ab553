import { LiveKVError } from '@livekv/protocol'
import type { Bus } from './bus/bus.ts'
import type { Cache, CachedItem } from './cache/cache.ts'
import { Committer } from './committer.ts'
import { deleteOf } from './live/catch-up.ts'
import type { Hub } from './live/hub.ts'
import type { RecentKeys } from './live/recent-keys.ts'
import type { Change, CommitResult, Entry, Store, Write } from './store/store.ts'
import { StoreReads } from './store-reads.ts'

/** What a read answers: the entry, or null with the revision of the delete (0: never written, as far as the log goes). */
export interface Found {
  entry: Entry | null
  revision: number
  /** Head of the log as of which this was the latest. */
  asOf: number
  source: 'cache' | 'database'
}

export interface KeyValueOptions {
  store: Pick<Store, 'commit' | 'get'>
  hub: Hub
  cache: Cache
  bus: Bus
  recentKeys: RecentKeys
  /** How long a read waits for its `atLeast`. */
  atLeastTimeoutMs?: number
}

/** A read is overtaken by a newer change so often only when the Tail is far too small for the rate of writes. */
const MAX_READS = 10
/** How long a read that has not reached its `atLeast` waits for the Hub before it asks the store again. */
const AT_LEAST_POLL_MS = 100

/**
 * The write path and the read path.
 *
 *   write   Committer -> Store -> Hub and Tail, then Cache, then Bus -> answer
 *   read    Tail -> Cache, if the Tail believes it -> Store (coalesced, fills the cache), if the Tail believes it
 *
 * After a write was acknowledged no read here gives an older value, and no read of a key ever steps back: whatever
 * a read found, it is the Tail that says, in the tick of the answer, whether that is still the latest known.
 */
export class KeyValue {
  readonly #hub: Hub
  readonly #cache: Cache
  readonly #bus: Bus
  readonly #recentKeys: RecentKeys
  readonly #committer: Committer
  readonly #reads: StoreReads
  readonly #atLeastTimeoutMs: number
  /** Keys read, by where the answer came from, and cached items that were not believed. */
  readonly #counts = { tail: 0, cache: 0, database: 0, rejected: 0 }

  constructor({ store, hub, cache, bus, recentKeys, atLeastTimeoutMs = 2_000 }: KeyValueOptions) {
    this.#hub = hub
    this.#cache = cache
    this.#bus = bus
    this.#recentKeys = recentKeys
    this.#atLeastTimeoutMs = atLeastTimeoutMs
    this.#committer = new Committer({
      store,
      onCommitted: (changes, highest) => this.#committed(changes, highest),
    })
    this.#reads = new StoreReads({ store, onRead: (items, head) => this.#readFromStore(items, head) })
  }

  /** Group-committed, acknowledged after the commit; results in order. Rejects with OVERLOADED, SHUTTING_DOWN, STORE_FAILED, COMMIT_UNKNOWN. */
  write(writes: readonly Write[]): Promise<CommitResult[]> {
    return this.#committer.submit(writes)
  }

  /** Answers in the same tick when the Tail knows. `atLeast`: a revision the answer must reflect (waits a bounded time, then REVISION_NOT_REACHED). */
  get(key: string, atLeast = 0): Found | Promise<Found> {
    const known = this.#fromTail(key, atLeast)
    if (known) {
      this.#counts.tail++
      return known
    }
    const cached = this.#cache.get([key])
    if (cached instanceof Promise) {
      return cached.then(
        (items) => this.#fromCache(items.get(key), key, atLeast) ?? this.#fromStore(key, atLeast),
      )
    }
    return this.#fromCache(cached.get(key), key, atLeast) ?? this.#fromStore(key, atLeast)
  }

  async getMany(keys: readonly string[], atLeast = 0): Promise<Map<string, Found>> {
    const missing = keys.filter((key) => !this.#fromTail(key, atLeast))
    const cached = await this.#cache.get(missing)
    const found = new Map<string, Found>()
    const reads: Promise<unknown>[] = []
    for (const key of new Set(keys)) {
      // All that is known is answered in one tick; the rest joins one read.
      const fromTail = this.#fromTail(key, atLeast)
      if (fromTail) this.#counts.tail++
      const known = fromTail ?? this.#fromCache(cached.get(key), key, atLeast)
      if (known) found.set(key, known)
      else reads.push(this.#fromStore(key, atLeast).then((read) => found.set(key, read)))
    }
    await Promise.all(reads)
    // Those that were known waited for those that were not; all of it is answered in a tick in which it holds.
    for (let rounds = 0; rounds < MAX_READS; rounds++) {
      const overtaken = [...found].filter(([key, { asOf }]) => !this.#hub.tail.believes(key, asOf))
      if (overtaken.length === 0) return found
      const again: Promise<unknown>[] = []
      for (const [key] of overtaken) {
        const answer = this.get(key, atLeast)
        if (answer instanceof Promise) again.push(answer.then((read) => found.set(key, read)))
        else found.set(key, answer)
      }
      if (again.length > 0) await Promise.all(again)
    }
    throw overtakenTooOften(keys[0] ?? '')
  }

  /** Keys that have a value, most recently changed first; waits a bounded time for the list to be loaded. */
  keys(): Promise<{ keys: string[]; truncated: boolean }> {
    return this.#recentKeys.list()
  }

  stats(): { tail: number; cache: number; database: number; rejected: number } {
    return { ...this.#counts }
  }

  /** Takes no more writes; resolves when those taken are answered. */
  close(): Promise<void> {
    return this.#committer.close()
  }

  /**
   * In this order (Rule: tail-before-ack): own writes are in the Tail before they are acknowledged; cache and
   * bus may fail or lag.
   */
  #committed(changes: readonly Change[], highestRevision: number): void {
    this.#hub.accept(changes)
    this.#hub.noteHead(highestRevision)
    if (changes.length === 0) return
    const items: CachedItem[] = []
    for (const change of changes) {
      const { key, revision } = change
      // Rule: as-of-own-revision.
      if (change.json === null) items.push({ key, entry: null, revision, asOf: revision })
      else if (isEntry(change)) items.push({ key, entry: change, revision, asOf: revision })
    }
    this.#cache.set(items)
    this.#bus.publish(changes)
  }

  #readFromStore(items: readonly CachedItem[], head: number): void {
    this.#hub.noteHead(head)
    this.#cache.set(items)
  }

  #fromTail(key: string, atLeast: number): Found | undefined {
    const { tail } = this.#hub
    const change = tail.get(key)
    if (!change) return undefined
    const asOf = Math.max(change.revision, tail.contiguous)
    if (asOf < atLeast) return undefined
    if (change.json === null) return { entry: null, revision: change.revision, asOf, source: 'cache' }
    // A change from the log does not say when the entry expires.
    if (!isEntry(change)) return undefined
    return { entry: change, revision: change.revision, asOf, source: 'cache' }
  }

  #fromCache(item: CachedItem | undefined, key: string, atLeast: number): Found | undefined {
    const found = this.#fromItem(item, key, atLeast)
    if (found) this.#counts.cache++
    else if (item) this.#counts.rejected++
    return found
  }

  /** The item, if it is still the latest known now (Rule: check-when-answered; Rule: at-least). */
  #fromItem(
    item: CachedItem | undefined,
    key: string,
    atLeast: number,
    source: Found['source'] = 'cache',
  ): Found | undefined {
    const { tail } = this.#hub
    if (!item || !tail.believes(key, item.asOf)) return undefined
    // An instance that is ahead wrote it; or it is of a log whose end was lost, and whose revisions are given again.
    if (source === 'cache' && item.asOf > this.#hub.knownHead) return undefined
    // Believed: so it is the latest up to `contiguous` as well.
    const asOf = Math.max(item.asOf, tail.contiguous)
    if (asOf < atLeast) return undefined
    // Rules: found-enters-tail, found-is-shown. Another instance's write that the bus has not brought yet:
    // watchers get it now, and no later read less.
    if (this.#isNews(item)) {
      const change = changeBehind(item)
      // Or reads could step back behind it. What the store gave is kept whatever it takes: the log can be read then too.
      if (source === 'cache' && tail.refuses(change)) return undefined
      this.#hub.accept([change])
    }
    // An absence of which nobody knows the own revision any more is no change: it is only kept in mind.
    if (item.revision === 0) tail.noteAbsent(key, item.asOf)
    return { entry: item.entry, revision: item.revision, asOf, source }
  }

  async #fromStore(key: string, atLeast: number): Promise<Found> {
    this.#counts.database++
    const deadline = Date.now() + this.#atLeastTimeoutMs
    for (let reads = 0; reads < MAX_READS || Date.now() < deadline; reads++) {
      const item = await this.#reads.read(key, reads > 0)
      const found = this.#fromItem(item, key, atLeast, 'database') ?? this.#fromTail(key, atLeast)
      if (found) return found
      if (reads > 0 && item.asOf < atLeast) {
        const waitMs = Math.min(AT_LEAST_POLL_MS, deadline - Date.now())
        if (waitMs <= 0) throw notReached(atLeast, Math.max(item.asOf, this.#hub.contiguous))
        await this.#hub.whenReached(atLeast, waitMs)
      }
    }
    // A key that another instance writes all the time: its value is certain, when it expires is not.
    const change = this.#hub.tail.get(key)
    const asOf = Math.max(change?.revision ?? 0, this.#hub.contiguous)
    if (asOf < atLeast) throw notReached(atLeast, asOf)
    if (!change || change.json === null) throw overtakenTooOften(key)
    const entry = { ...change, json: change.json, expiresAt: null }
    return { entry, revision: change.revision, asOf, source: 'cache' }
  }

  #isNews(item: CachedItem): boolean {
    const { tail } = this.#hub
    return item.revision > tail.contiguous && item.revision > tail.revisionOf(item.key)
  }
}

/** A put whose expiry is known has everything an entry has. */
function isEntry(change: Change): change is Change & Entry {
  return change.json !== null && change.expiresAt !== undefined
}

function changeBehind(item: CachedItem): Change {
  return item.entry ?? deleteOf(item.key, item.revision)
}

function overtakenTooOften(key: string): LiveKVError {
  return new LiveKVError(
    'STORE_FAILED',
    `The value of "${key.slice(0, 80)}" changed faster than it could be read; try again, or raise TAIL_MAX_ENTRIES.`,
  )
}

function notReached(atLeast: number, reached: number): LiveKVError {
  return new LiveKVError(
    'REVISION_NOT_REACHED',
    `Revision ${atLeast} has not been reached in time, only ${reached}; try again, or ask without atLeast.`,
    { reached },
  )
}
