import type { CachedItem } from './cache/cache.ts'
import type { Store } from './store/store.ts'

export interface StoreReadsOptions {
  store: Pick<Store, 'get'>
  /** Called with what a read found, before those who asked get it. Must not throw. */
  onRead: (items: readonly CachedItem[], head: number) => void
  maxKeysPerRead?: number
}

interface Flight {
  item: Promise<CachedItem>
  resolve: (item: CachedItem) => void
  reject: (error: unknown) => void
}

/**
 * Group commit's counterpart for reads: one read of the store is under way at a time, and the keys asked for
 * meanwhile form the next. A key that is already being read is not read twice: whoever joins such a flight may
 * get a state older than the moment of asking, so every caller checks it against the Tail.
 */
export class StoreReads {
  readonly #options: Required<StoreReadsOptions>
  #waiting = new Map<string, Flight>()
  #flying = new Map<string, Flight>()
  #busy = false

  constructor(options: StoreReadsOptions) {
    this.#options = { maxKeysPerRead: 500, ...options }
  }

  /** `fresh`: does not join a read that is already under way. */
  read(key: string, fresh = false): Promise<CachedItem> {
    const flight = (fresh ? undefined : this.#flying.get(key)) ?? this.#waiting.get(key)
    if (flight) return flight.item
    const { promise, resolve, reject } = Promise.withResolvers<CachedItem>()
    this.#waiting.set(key, { item: promise, resolve, reject })
    if (!this.#busy) {
      this.#busy = true
      // Requests that arrived in one poll of the sockets share the first read.
      setImmediate(() => void this.#run())
    }
    return promise
  }

  async #run(): Promise<void> {
    while (this.#waiting.size > 0) {
      this.#flying = this.#take()
      const flights = this.#flying
      try {
        const { head, entries, absent } = await this.#options.store.get([...flights.keys()])
        const items: CachedItem[] = []
        for (const key of flights.keys()) {
          const entry = entries.get(key) ?? null
          items.push({ key, entry, revision: entry?.revision ?? absent.get(key) ?? 0, asOf: head })
        }
        this.#flying = new Map()
        this.#options.onRead(items, head)
        for (const item of items) flights.get(item.key)?.resolve(item)
      } catch (error) {
        this.#flying = new Map()
        for (const flight of flights.values()) flight.reject(error)
      }
    }
    this.#busy = false
  }

  #take(): Map<string, Flight> {
    if (this.#waiting.size <= this.#options.maxKeysPerRead) {
      const all = this.#waiting
      this.#waiting = new Map()
      return all
    }
    const some = new Map<string, Flight>()
    for (const [key, flight] of this.#waiting) {
      if (some.size === this.#options.maxKeysPerRead) break
      some.set(key, flight)
      this.#waiting.delete(key)
    }
    return some
  }
}
