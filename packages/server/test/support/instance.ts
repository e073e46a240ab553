import type { Bus } from '../../src/bus/bus.ts'
import { MemoryBus } from '../../src/bus/memory.ts'
import type { Cache } from '../../src/cache/cache.ts'
import { MemoryCache } from '../../src/cache/memory.ts'
import { KeyValue } from '../../src/key-value.ts'
import { Hub } from '../../src/live/hub.ts'
import { RecentKeys } from '../../src/live/recent-keys.ts'
import { Tail } from '../../src/live/tail.ts'
import type { Write } from '../../src/store/store.ts'
import { HeldCalls, settle } from './held-calls.ts'
import type { LogOracle } from './log-oracle.ts'

export interface InstanceOptions {
  keysLimit?: number
  tailEntries?: number
  holdReads?: boolean
  bus?: Bus
  cache?: Cache
}

export interface Instance {
  keyValue: KeyValue
  hub: Hub
  cache: Cache
  recentKeys: RecentKeys
  /** Reads of the store, where they are held. */
  reads: HeldCalls
  /** The keys of each read of the store. */
  asked: string[][]
  close(): Promise<void>
}

/** One instance over a log that answers at once, except for reads when they are held. It knows the last two changes. */
export async function openInstance(oracle: LogOracle, options: InstanceOptions = {}): Promise<Instance> {
  const { keysLimit = 100, tailEntries = 100, holdReads = false, bus = new MemoryBus() } = options
  const { cache = new MemoryCache({ maxBytes: 1e6 }) } = options
  const reads = new HeldCalls()
  const asked: string[][] = []
  const log = { warn: () => {} }
  const store = {
    commit: async (writes: readonly Write[]) => oracle.commit(writes),
    get: async (keys: readonly string[]) => {
      asked.push([...keys])
      return holdReads ? reads.hold(() => oracle.get(keys)) : oracle.get(keys)
    },
    list: async (page: { limit: number }) => oracle.list(page),
    listRevisions: async (page: { after?: string; limit: number }) =>
      oracle.listRevisions({ ...page, limit: 3 }),
    changesSince: async (from: number, limit: number) => oracle.changesSince(from, limit),
    latestChanges: async () => oracle.latestChanges(2),
    head: async () => oracle.head,
  }
  const hub = new Hub({
    store,
    tail: new Tail({ maxEntries: tailEntries, maxBytes: 1e6 }),
    watched: { keys: () => [], prefixes: () => [''], known: () => [] },
    log,
    gapMs: 5,
    pollMs: 1e6,
  })
  const recentKeys = new RecentKeys({ store, hub, limit: keysLimit, log })
  const keyValue = new KeyValue({ store, hub, cache, bus, recentKeys, atLeastTimeoutMs: 300 })
  await hub.start()
  await bus.subscribe((changes) => hub.receive(changes))
  recentKeys.start()
  return {
    ...{ keyValue, hub, cache, recentKeys, reads, asked },
    async close() {
      for (; reads.size > 0; await settle()) reads.finishOne()
      await keyValue.close()
      await recentKeys.close()
      await hub.close()
    },
  }
}
