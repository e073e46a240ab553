import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ClassicClientEvents, ClassicServerEvents } from '@livekv/protocol'
import { LiveKVError } from '@livekv/protocol'
import pino from 'pino'
import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client'
import { loadConfig } from '../src/config.ts'
import type { Found } from '../src/key-value.ts'
import { MemoryCounter } from '../src/limits/memory.ts'
import { RateLimits } from '../src/limits/rate-limits.ts'
import { ArrivalGate } from '../src/live/arrival-gate.ts'
import type { Feed } from '../src/live/feed.ts'
import { attachSockets, type Sockets } from '../src/live/socket.ts'
import type { Change } from '../src/store/store.ts'

export type ClassicSocket = Socket<ClassicServerEvents, ClassicClientEvents>

/** A log in memory that can be written to at will: where the changes of these tests come from. */
export class ScriptedLog implements Feed {
  readonly latest = new Map<string, Change>()
  head = 0
  readonly isClosed = false
  /** Awaited by each read before it looks and again before it answers. */
  delay: (() => Promise<void>) | undefined
  #listener: ((changes: readonly Change[]) => void) | undefined

  listen(onChanges: (changes: readonly Change[]) => void): () => void {
    this.#listener = onChanges
    return () => {
      this.#listener = undefined
    }
  }

  /** JSON text, null deletes. */
  write(...writes: readonly (readonly [key: string, json: string | null])[]): Change[] {
    const changes = writes.map(([key, json]) => {
      const change: Change = { key, json, revision: ++this.head, at: 1_700_000_000_000 + this.head, time: 0 }
      this.latest.set(key, change)
      return change
    })
    this.#listener?.(changes)
    return changes
  }

  /** It has always seen all of itself. */
  get contiguous(): number {
    return this.head
  }

  noteHead(): void {}

  async catchUp(): Promise<void> {}

  async whenReached(revision: number): Promise<boolean> {
    return revision <= this.head
  }

  get(key: string): Found | Promise<Found> {
    const { delay } = this
    if (delay === undefined) return this.#read(key)
    return delay().then(async () => {
      const found = this.#read(key)
      await delay()
      return found
    })
  }

  #read(key: string): Found {
    const change = this.latest.get(key)
    const { json } = change ?? { json: null }
    const entry = change && json !== null ? { ...change, json, expiresAt: null } : null
    return { entry, revision: change?.revision ?? 0, asOf: this.head, source: 'database' }
  }
}

/** The TCP connection under a client, to stop reading from it. */
export function connectionOf(client: ClassicSocket): { pause(): void; resume(): void } {
  const transport = client.io.engine.transport as unknown as {
    ws: { _socket: { pause(): void; resume(): void } }
  }
  return transport.ws._socket
}

export interface ClassicServer {
  url: string
  log: ScriptedLog
  sockets: Sockets
  connect(options?: Partial<ManagerOptions & SocketOptions>): Promise<ClassicSocket>
  close(): Promise<void>
}

export async function startClassicServer(
  refusal: (request: IncomingMessage) => LiveKVError | undefined = () => undefined,
): Promise<ClassicServer> {
  const log = new ScriptedLog()
  const server = createServer((_request, response) => response.writeHead(404).end())
  const sockets = attachSockets(server, {
    feed: log,
    arrivals: new ArrivalGate({ hub: log, store: { head: async () => log.head } }),
    keyValue: log,
    limits: new RateLimits({
      config: loadConfig({}).config,
      counter: () => new MemoryCounter({ windowSeconds: 10 }),
      log: pino({ level: 'silent' }),
    }),
    live: {
      serve() {},
      async close() {},
      stats: () => ({ sockets: 0, watches: 0, slow: 0, waiting: 0, delivered: 0 }),
      watchesOf: () => 0,
    },
    maxBodyBytes: 1024 * 1024,
    refusal,
    parseKey: (key) => {
      if (typeof key === 'string' && key !== '' && key.length <= 512) return key
      throw new LiveKVError('INVALID_KEY', `${JSON.stringify(key)} is not a key.`)
    },
    log: pino({ level: 'silent' }),
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const clients: ClassicSocket[] = []
  return {
    url,
    log,
    sockets,
    async connect(options = {}) {
      const client: ClassicSocket = io(url, { transports: ['websocket'], forceNew: true, ...options })
      clients.push(client)
      await new Promise<void>((resolve, reject) => {
        client.once('connect', resolve)
        client.once('connect_error', reject)
      })
      return client
    },
    async close() {
      for (const client of clients) client.disconnect()
      const stopped = new Promise((resolve) => server.close(resolve))
      await sockets.close()
      server.closeAllConnections()
      await stopped
    },
  }
}

/** Resolves when `holds` does; looked at after each event of the socket. */
export function until(client: ClassicSocket, holds: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (!holds()) return
      client.offAny(look)
      resolve()
    }
    // Behind the listeners of the event itself, which are called after those of any event.
    client.onAny(() => queueMicrotask(look))
    look()
  })
}
