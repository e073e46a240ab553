import { ErrorReply } from 'redis'
import type { RedisClient, RedisConnection, RedisConnectionStats } from '../redis/redis-connection.ts'
import type { Cache, CachedItem } from './cache.ts'
import { MemoryCache } from './memory.ts'
import { PUT_NEWER, PUT_NEWER_SHA1 } from './put-newer.ts'
import { readItem, textOfItem } from './redis-item.ts'

export interface RedisCacheOptions {
  redis: Pick<RedisConnection, 'call' | 'problem' | 'stats'>
  storeId: string
  ttlSeconds: number
  /** Of what stands in for Redis while it is away. */
  maxBytes: number
}

export interface RedisCacheStats extends RedisConnectionStats {
  /** Found in Redis. */
  hits: number
  /** Found in memory while Redis was away. */
  standIns: number
  /** Found in neither, whichever was asked. */
  misses: number
  /** Items that were not what this cache writes: damaged, or somebody else's. */
  corrupt: number
  /** Items that were not put because Redis was away, failed or too slow, or that are too large. */
  lost: number
}

/** An answer of so many of the largest items still comes well within the deadline of a call. */
const MAX_KEYS_PER_GET = 100
/** Larger values are read from the database: they would hold up everything behind them on the connection. */
const MAX_ITEM_CHARACTERS = 128 * 1024
const MAX_ITEMS_PER_PUT = 500
const MAX_CHARACTERS_PER_PUT = 1024 * 1024
const MAX_WAITING_ITEMS = 10_000
const MAX_WAITING_CHARACTERS = 16 * 1024 * 1024

interface Gathering {
  keys: Set<string>
  items: Promise<Map<string, CachedItem>>
}

/**
 * Items under `livekv:<store id>:entry:<key>`, shared by all instances of one store; another store, or the same one
 * after a failover, finds none of them, and no key of a user is the name of anything else.
 *
 *   get   keys asked for in one turn of the event loop -> one MGET for them all
 *   set   waiting items, the latest per key -> one put under way at a time -> the script keeps the higher `asOf`
 *
 * While Redis is away, what this instance put and found itself stands in, from memory and in the same tick, so that
 * the outage does not become the database's. Nothing that Redis missed is made good later: whoever reads an old item
 * asks the Tail, of Redis's and of the memory's alike.
 */
export class RedisCache implements Cache {
  readonly #redis: RedisCacheOptions['redis']
  readonly #prefix: string
  readonly #ttlSeconds: string
  readonly #standIn: MemoryCache
  /** What Redis answered with an error when it was asked last: it has no rights, no memory, or is a replica. */
  readonly #refused = new Set<'get' | 'put'>()
  #gathering: Gathering | undefined
  readonly #waiting = new Map<string, CachedItem>()
  #waitingCharacters = 0
  #putting: Promise<void> | undefined
  readonly #counts = { hits: 0, standIns: 0, misses: 0, corrupt: 0, lost: 0 }

  constructor({ redis, storeId, ttlSeconds, maxBytes }: RedisCacheOptions) {
    this.#redis = redis
    this.#prefix = `livekv:${storeId}:entry:`
    this.#ttlSeconds = String(ttlSeconds)
    this.#standIn = new MemoryCache({ maxBytes })
  }

  get problem(): string | null {
    if (this.#redis.problem !== null || this.#refused.size === 0) return this.#redis.problem
    return `Redis refuses what the cache asks of it (${[...this.#refused].join(', ')}).`
  }

  stats(): RedisCacheStats {
    return { ...this.#redis.stats(), ...this.#counts }
  }

  get(keys: readonly string[]): Promise<Map<string, CachedItem>> | Map<string, CachedItem> {
    if (keys.length === 0) return new Map()
    if (this.#redis.problem !== null) return this.#fromStandIn(keys)
    this.#gathering ??= this.#gather()
    for (const key of keys) this.#gathering.keys.add(key)
    return this.#gathering.items.then((items) => {
      const found = new Map<string, CachedItem>()
      for (const key of keys) {
        const item = items.get(key)
        if (item) found.set(key, item)
      }
      return found
    })
  }

  set(items: readonly CachedItem[]): void {
    this.#standIn.set(items)
    if (this.#redis.problem !== null) {
      this.#counts.lost += items.length
      return
    }
    for (const item of items) this.#wait(item)
    if (this.#waiting.size > 0) this.#putting ??= this.#putAll()
  }

  /** Resolves when what was waiting is there, or given up. */
  async close(): Promise<void> {
    await this.#putting
    await this.#standIn.close()
  }

  #gather(): Gathering {
    const keys = new Set<string>()
    const items = new Promise<Map<string, CachedItem>>((resolve) => {
      setImmediate(() => {
        this.#gathering = undefined
        resolve(this.#read([...keys]))
      })
    })
    return { keys, items }
  }

  async #read(keys: readonly string[]): Promise<Map<string, CachedItem>> {
    const found = new Map<string, CachedItem>()
    // One after the other: each has the whole time of a call, however much the ones before it brought.
    for (let at = 0; at < keys.length; at += MAX_KEYS_PER_GET) {
      if (await this.#readPart(keys.slice(at, at + MAX_KEYS_PER_GET), found)) continue
      for (const [key, item] of this.#fromStandIn(keys.slice(at))) found.set(key, item)
      break
    }
    return found
  }

  /** False: Redis did not answer. */
  async #readPart(keys: readonly string[], found: Map<string, CachedItem>): Promise<boolean> {
    const names = keys.map((key) => this.#prefix + key)
    // Why Redis failed is told by its connection.
    const texts = await this.#call('get', (client) => client.mGet(names)).catch(() => undefined)
    if (!texts) return false
    const items: CachedItem[] = []
    for (const [at, key] of keys.entries()) {
      const text = texts[at]
      const item = typeof text === 'string' ? readItem(key, text) : undefined
      if (item) {
        found.set(key, item)
        items.push(item)
      } else if (typeof text === 'string') this.#counts.corrupt++
    }
    this.#counts.hits += items.length
    this.#counts.misses += keys.length - items.length
    this.#standIn.set(items)
    return true
  }

  #fromStandIn(keys: readonly string[]): Map<string, CachedItem> {
    const found = this.#standIn.get(keys)
    this.#counts.standIns += found.size
    this.#counts.misses += keys.length - found.size
    return found
  }

  #wait(item: CachedItem): void {
    const before = this.#waiting.get(item.key)
    if (before && before.asOf > item.asOf) return
    const characters = charactersOf(item)
    const grown = this.#waitingCharacters + characters - (before ? charactersOf(before) : 0)
    const isFull = grown > MAX_WAITING_CHARACTERS || (!before && this.#waiting.size >= MAX_WAITING_ITEMS)
    if (characters > MAX_ITEM_CHARACTERS || isFull) {
      this.#counts.lost++
      return
    }
    this.#waiting.set(item.key, item)
    this.#waitingCharacters = grown
  }

  async #putAll(): Promise<void> {
    // What is written in this turn of the event loop goes together.
    await new Promise((resolve) => setImmediate(resolve))
    while (this.#waiting.size > 0) {
      const items = this.#take()
      await this.#call('put', (client) => this.#put(client, items)).catch(() => {
        this.#counts.lost += items.length
      })
    }
    this.#putting = undefined
  }

  async #call<T>(kind: 'get' | 'put', work: (client: RedisClient) => Promise<T>): Promise<T> {
    try {
      const answer = await this.#redis.call(work)
      this.#refused.delete(kind)
      return answer
    } catch (error) {
      if (error instanceof ErrorReply) this.#refused.add(kind)
      throw error
    }
  }

  #take(): CachedItem[] {
    const items: CachedItem[] = []
    let characters = 0
    for (const [key, item] of this.#waiting) {
      characters += charactersOf(item)
      if (items.length === MAX_ITEMS_PER_PUT || (items.length > 0 && characters > MAX_CHARACTERS_PER_PUT))
        break
      items.push(item)
      this.#waiting.delete(key)
      this.#waitingCharacters -= charactersOf(item)
    }
    return items
  }

  async #put(client: RedisClient, items: readonly CachedItem[]): Promise<void> {
    const names = items.map(({ key }) => this.#prefix + key)
    const values = items.flatMap((item) => [String(item.asOf), textOfItem(item)])
    const args = [String(names.length), ...names, this.#ttlSeconds, ...values]
    try {
      await client.sendCommand(['EVALSHA', PUT_NEWER_SHA1, ...args])
    } catch (error) {
      // A Redis that was started anew does not know the script.
      if (!(error instanceof ErrorReply) || !error.message.startsWith('NOSCRIPT')) throw error
      await client.sendCommand(['EVAL', PUT_NEWER, ...args])
    }
  }
}

function charactersOf({ key, entry }: CachedItem): number {
  return key.length + (entry?.json.length ?? 0)
}
