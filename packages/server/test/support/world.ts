import type { Bus } from '../../src/bus/bus.ts'
import type { Cache, CachedItem } from '../../src/cache/cache.ts'
import { MemoryCache } from '../../src/cache/memory.ts'
import { type Found, KeyValue } from '../../src/key-value.ts'
import { Hub } from '../../src/live/hub.ts'
import { RecentKeys } from '../../src/live/recent-keys.ts'
import { Tail } from '../../src/live/tail.ts'
import type { Change, Write } from '../../src/store/store.ts'
import { HeldCalls, settle } from './held-calls.ts'
import { entryOf, LogOracle } from './log-oracle.ts'

/**
 * One instance in full; everything around it is an adversary that never lies and keeps no other promise: other
 * instances commit, the bus loses, repeats and reorders, the cache gives any state that once was true, the store
 * executes and answers when it likes, the log is compacted, and the Tail holds two keys, or one, and
 * one that was read as absent.
 */
export const KEYS = ['a', 'b', 'c'] as const

/** What the adversary can do next; `n` chooses among the ways. */
export const OPS = [
  'foreignPut',
  'foreignDelete',
  'ownPut',
  'ownDelete',
  'bus',
  'busRun',
  'get',
  'getOld',
  'getMany',
  'execute',
  'answer',
  'finish',
  'catchUp',
  'compact',
] as const

export interface Step {
  op: (typeof OPS)[number]
  key: string
  n: number
}

export interface Watched {
  keys: readonly string[]
  prefixes: readonly string[]
  /** How many keys the Tail holds. */
  tailEntries?: number
}

class World {
  readonly oracle = new LogOracle()
  readonly calls = new HeldCalls()
  /** What the cache is to give next instead of what it has: the key's state as of then. */
  cacheAsOf: number | undefined
  readonly hub: Hub
  readonly keyValue: KeyValue
  readonly recentKeys: RecentKeys
  readonly pending = new Set<Promise<void>>()
  readonly problems: string[] = []
  /** Highest revision per key that somebody was told of: by an acknowledgement or an answer. */
  readonly told = new Map<string, number>()
  readonly watched = new Map<string, Change>()
  readonly #watchedKeys: readonly string[]
  #writes = 0

  constructor({ tailEntries = 2, ...watched }: Watched) {
    this.#watchedKeys = watched.prefixes.length > 0 ? KEYS : watched.keys
    const { oracle, calls } = this
    const store = {
      commit: (writes: readonly Write[]) => calls.hold(() => oracle.commit(writes)),
      get: (keys: readonly string[]) => calls.hold(() => oracle.get(keys)),
      list: (page: { prefix?: string; after?: string; limit: number }) =>
        calls.hold(() => oracle.list({ ...page, limit: 1 })),
      listRevisions: (page: { after?: string; limit: number }) =>
        calls.hold(() => oracle.listRevisions({ ...page, limit: 2 })),
      changesSince: (from: number, limit: number) =>
        // Pages of two, so that a fill is more than one.
        calls.hold(() => oracle.changesSince(from, Math.min(limit, 2))),
      latestChanges: (limit: number) => calls.hold(() => oracle.latestChanges(limit)),
      head: () => calls.hold(() => oracle.head),
    }
    const log = { warn: (_: object, message: string) => this.problems.push(message) }
    this.hub = new Hub({
      store,
      tail: new Tail({ maxEntries: tailEntries, maxBytes: 250, maxAbsent: 1, maxPending: tailEntries }),
      watched: { ...wrap(watched), known: () => [...this.recentKeys.known(), ...this.watched.keys()] },
      log,
      gapMs: 1e9,
      pollMs: 1e9,
      maxGap: 3,
    })
    this.recentKeys = new RecentKeys({ store, hub: this.hub, limit: 100, log })
    this.keyValue = new KeyValue({
      store,
      hub: this.hub,
      cache: new TruthfulCache(this),
      bus: new SilentBus(),
      recentKeys: this.recentKeys,
    })
    this.hub.listen((changes) => {
      for (const change of changes) {
        const before = this.watched.get(change.key)?.revision ?? 0
        if (change.revision <= before) {
          this.problems.push(`watcher of ${change.key}: ${change.revision} after ${before}`)
        }
        this.watched.set(change.key, change)
      }
    })
  }

  async start(): Promise<void> {
    // There before the instance: watchers begin with it.
    for (const key of KEYS) {
      this.oracle.append({ op: 'put', key, json: '"first"' })
      this.watched.set(key, this.oracle.log.at(-1) as Change)
    }
    const started = this.hub.start()
    this.calls.finishOne()
    await started
    this.recentKeys.start()
  }

  async take({ op, key, n }: Step): Promise<void> {
    const { oracle, hub, calls } = this
    const asOf = oracle.head === 0 ? 0 : n % (oracle.head + 1)
    if (op === 'foreignPut') oracle.append({ op: 'put', key, json: `"f${++this.#writes}"` })
    else if (op === 'foreignDelete') oracle.commit([{ op: 'delete', key }])
    else if (op === 'ownPut') this.#write({ op: 'put', key, json: `"o${++this.#writes}"` })
    else if (op === 'ownDelete') this.#write({ op: 'delete', key })
    else if (op === 'bus') hub.receive(oracle.log.slice(asOf, asOf + 1))
    else if (op === 'busRun') hub.receive(oracle.log.slice(asOf, asOf + 3).reverse())
    else if (op === 'get') this.#get(key)
    else if (op === 'getOld') {
      this.cacheAsOf = asOf
      this.#get(key)
      this.cacheAsOf = undefined
    } else if (op === 'getMany') this.#getMany()
    else if (op === 'execute') calls.execute(n)
    else if (op === 'answer') calls.answer(n)
    else if (op === 'finish') calls.finishOne()
    else if (op === 'catchUp') {
      hub.noteHead(oracle.head)
      void hub.catchUp()
    } else if (op === 'compact') oracle.compactedThrough = Math.max(oracle.compactedThrough, asOf)
    await settle()
  }

  /** The adversary rests: everything under way ends, and the log is followed to its head. */
  async finish(): Promise<void> {
    const { calls, hub, oracle } = this
    for (let i = 0; i < 1_000; i++) {
      for (; calls.size > 0; await settle()) calls.finishOne()
      if (this.pending.size === 0 && hub.contiguous >= oracle.head) return
      hub.noteHead(oracle.head)
      void hub.catchUp()
      await settle()
    }
    this.problems.push(`never at rest: contiguous ${hub.contiguous}, head ${oracle.head}`)
  }

  async checkEnd(): Promise<void> {
    for (const key of KEYS) {
      this.#get(key)
      if (!this.#watchedKeys.includes(key)) continue
      const latest = this.oracle.latest(key)
      const watched = this.watched.get(key)
      if ((latest?.json ?? null) !== (watched?.json ?? null)) {
        this.problems.push(`watcher of ${key} ended at ${watched?.json}, the log at ${latest?.json}`)
      }
    }
    const listed = this.recentKeys.list()
    await this.finish()
    const expected = KEYS.map((key) => this.oracle.latest(key)).filter((change) => change?.json)
    expected.sort((a, b) => (b?.revision ?? 0) - (a?.revision ?? 0))
    const { keys } = await listed
    if (keys.join() !== expected.map((change) => change?.key).join()) {
      this.problems.push(`/keys: ${keys.join()}, expected ${expected.map((change) => change?.key).join()}`)
    }
  }

  async close(): Promise<void> {
    const closed = Promise.all([this.keyValue.close(), this.recentKeys.close(), this.hub.close()])
    for (; this.calls.size > 0; await settle()) this.calls.finishOne()
    await closed
  }

  #write(write: Write): void {
    this.#track(
      this.keyValue.write([write]).then(([result]) => {
        if (result?.status !== 'applied') return
        this.#tell(write.key, result.change.revision)
        // The earliest read a writer can make.
        this.#get(write.key)
      }),
    )
  }

  #get(key: string): void {
    const floor = this.#lowestAllowed(key)
    const answer = this.keyValue.get(key)
    if (answer instanceof Promise) this.#track(answer.then((found) => this.#check(key, floor, found)))
    else this.#check(key, floor, answer)
  }

  #getMany(): void {
    const floors = KEYS.map((key) => this.#lowestAllowed(key))
    this.#track(
      this.keyValue.getMany(KEYS).then((found) => {
        KEYS.forEach((key, i) => {
          this.#check(key, floors[i] ?? 0, found.get(key))
        })
      }),
    )
  }

  /** What was told before the read began. */
  #lowestAllowed(key: string): number {
    return this.told.get(key) ?? 0
  }

  #check(key: string, floor: number, found: Found | undefined): void {
    if (!found) {
      this.problems.push(`${key} was not answered`)
      return
    }
    const truth = this.oracle.latest(key, found.asOf)
    // Of a delete that the log no longer holds the revision is not known.
    const revision = found.entry ? found.revision : (truth?.revision ?? 0)
    if ((truth?.revision ?? 0) !== revision || (truth?.json ?? null) !== (found.entry?.json ?? null)) {
      this.problems.push(`${key}: ${JSON.stringify(found)} was not the latest as of ${found.asOf}`)
    }
    const seen = this.oracle.latest(key, this.hub.contiguous)?.revision ?? 0
    if (revision < seen)
      this.problems.push(`${key}: ${revision} when ${seen} had been seen (${found.source})`)
    if (revision < floor) this.problems.push(`${key}: ${revision} after ${floor} (${found.source})`)
    this.#tell(key, revision)
  }

  #tell(key: string, revision: number): void {
    this.told.set(key, Math.max(this.told.get(key) ?? 0, revision))
  }

  #track(work: Promise<void>): void {
    const tracked = work
      .catch((error) => {
        this.problems.push(String(error))
      })
      .finally(() => this.pending.delete(tracked))
    this.pending.add(tracked)
  }
}

/** A memory cache that, when told so, gives a state that once was true instead. */
class TruthfulCache implements Cache {
  readonly problem = null
  readonly #memory = new MemoryCache({ maxBytes: 600 })
  readonly #world: World

  constructor(world: World) {
    this.#world = world
  }

  get(keys: readonly string[]): Map<string, CachedItem> {
    const { cacheAsOf, oracle } = this.#world
    if (cacheAsOf === undefined) return this.#memory.get(keys)
    return new Map(
      keys.map((key) => {
        const change = oracle.latest(key, cacheAsOf)
        const entry = (change && entryOf(change)) ?? null
        const isTold = change && (entry || change.revision > oracle.compactedThrough)
        // Another instance's fill, too: where the log no longer had the delete, the absence has no revision.
        return [key, { key, entry, revision: isTold ? change.revision : 0, asOf: cacheAsOf }]
      }),
    )
  }

  set(items: readonly CachedItem[]): void {
    this.#memory.set(items)
  }

  close(): Promise<void> {
    return this.#memory.close()
  }
}

/** Delivery is the test's own step. */
class SilentBus implements Bus {
  readonly problem = null
  publish(): void {}
  async subscribe(): Promise<void> {}
  async close(): Promise<void> {}
}

function wrap({ keys, prefixes }: { keys: readonly string[]; prefixes: readonly string[] }) {
  return { keys: () => keys, prefixes: () => prefixes }
}

/** Takes the steps, lets everything come to rest, and says what was not as promised. */
export async function play(watched: Watched, steps: readonly Step[]): Promise<string[]> {
  const world = new World(watched)
  await world.start()
  try {
    for (const next of steps) {
      await world.take(next)
      if (world.problems.length > 0) break
    }
    await world.finish()
    await world.checkEnd()
  } finally {
    await world.close()
  }
  return world.problems
}
