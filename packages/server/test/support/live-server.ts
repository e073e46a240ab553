import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import pino from 'pino'
import { MemoryBus } from '../../src/bus/memory.ts'
import { MemoryCache } from '../../src/cache/memory.ts'
import { loadConfig } from '../../src/config.ts'
import { checkKey } from '../../src/http/key.ts'
import { KeyValue } from '../../src/key-value.ts'
import { MemoryCounter } from '../../src/limits/memory.ts'
import { RateLimits } from '../../src/limits/rate-limits.ts'
import { ArrivalGate } from '../../src/live/arrival-gate.ts'
import { Hub } from '../../src/live/hub.ts'
import { LiveSockets } from '../../src/live/live-sockets.ts'
import { RecentKeys } from '../../src/live/recent-keys.ts'
import { attachSockets } from '../../src/live/socket.ts'
import { Tail } from '../../src/live/tail.ts'
import type { Watch } from '../../src/live/watch.ts'
import { WatchAudience } from '../../src/live/watch-audience.ts'
import type { Store } from '../../src/store/store.ts'
import { LiveClient } from './live-client.ts'
import type { LogOracle } from './log-oracle.ts'

export type LiveStore = Pick<
  Store,
  'info' | 'commit' | 'get' | 'list' | 'listRevisions' | 'changesSince' | 'latestChanges' | 'head'
>

export interface LiveServer {
  url: string
  hub: Hub
  live: LiveSockets
  keyValue: KeyValue
  /** Bytes that wait for the network, of the connection with the most. */
  buffered(): number
  connect(): Promise<LiveClient>
  /** Not the store. */
  close(): Promise<void>
}

/** The live half of a server over any store: what `createApp` puts together, with its parts in reach. */
export async function startLiveServer(
  store: LiveStore,
  { maxKeys, tailMaxEntries = 1_000 }: { maxKeys?: number; tailMaxEntries?: number } = {},
): Promise<LiveServer> {
  const log = pino({ level: 'silent' })
  const { config } = loadConfig({})
  const tail = new Tail({ maxEntries: tailMaxEntries, maxBytes: config.cacheMaxBytes })
  const audience = new WatchAudience<Watch>()
  const watched = { keys: () => audience.keys(), prefixes: () => [''], known: () => recentKeys.known() }
  const hub = new Hub({ store, tail, watched, log })
  const recentKeys = new RecentKeys({ store, hub, limit: config.keysLimit, log })
  const bus = new MemoryBus()
  const cache = new MemoryCache({ maxBytes: config.cacheMaxBytes })
  await hub.start()
  await bus.subscribe((changes) => hub.receive(changes))
  recentKeys.start()
  const keyValue = new KeyValue({ store, hub, cache, bus, recentKeys })
  const live = new LiveSockets({ hub, store, keyValue, audience, config, log, ...(maxKeys && { maxKeys }) })
  const server = createServer((_request, response) => response.writeHead(404).end())
  const sockets = attachSockets(server, {
    feed: hub,
    arrivals: new ArrivalGate({ hub, store }),
    keyValue,
    limits: new RateLimits({ config, counter: () => new MemoryCounter({ windowSeconds: 10 }), log }),
    live,
    maxBodyBytes: config.maxBodyBytes,
    refusal: () => undefined,
    parseKey: (key) => checkKey(key, config.maxKeyBytes),
    log,
  })
  const connections = new Set<Socket>()
  server.on('connection', (connection) => {
    connections.add(connection)
    connection.once('close', () => connections.delete(connection))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const clients: LiveClient[] = []
  return {
    url,
    hub,
    live,
    keyValue,
    buffered: () => Math.max(0, ...[...connections].map(({ writableLength }) => writableLength)),
    async connect() {
      const client = await LiveClient.connect(url)
      clients.push(client)
      return client
    },
    async close() {
      for (const client of clients) client.close()
      const stopped = new Promise((resolve) => server.close(resolve))
      await sockets.close()
      server.closeAllConnections()
      await stopped
      await keyValue.close()
      await Promise.all([recentKeys.close(), hub.close()])
    },
  }
}

/** A log in memory as the store behind a server. */
export function storeOf(oracle: LogOracle): LiveStore {
  return {
    info: { storeId: 'oracle.1', description: 'a log in memory' },
    commit: async (writes) => oracle.commit(writes),
    get: async (keys) => oracle.get(keys),
    list: async (page) => oracle.list(page),
    listRevisions: async (page) => oracle.listRevisions(page),
    changesSince: async (revision, limit) => oracle.changesSince(revision, limit),
    latestChanges: async (limit) => oracle.latestChanges(limit),
    head: async () => oracle.head,
  }
}
