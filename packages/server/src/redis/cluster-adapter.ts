import { EventEmitter } from 'node:events'
import { createAdapter } from '@socket.io/redis-adapter'
import { ErrorReply } from 'redis'
import { RedisConnection, type RedisConnectionOptions } from './redis-connection.ts'

export interface ClusterAdapterOptions {
  /** For publishing. */
  commands: RedisConnection
  url: string
  storeId: string
  log: RedisConnectionOptions['log']
}

type Listener = (message: Buffer, channel: Buffer) => void

/** How long the instances have to answer one that asks. */
const ANSWER_TIMEOUT_MS = 500

/**
 * Socket.IO's Redis adapter between the instances of one store: for what is about sockets and is no value. A change
 * comes to each instance by the bus and is written to its own sockets; by this way it would come once per instance.
 */
export class ClusterAdapter {
  /** As Socket.IO's server takes it. */
  readonly adapter: ReturnType<typeof createAdapter>
  readonly #commands: RedisConnection
  readonly #events: RedisConnection
  readonly #client: AdapterClient

  constructor({ commands, url, storeId, log }: ClusterAdapterOptions) {
    this.#commands = commands
    this.#events = new RedisConnection({ url, name: 'events', log })
    this.#client = new AdapterClient(this.#commands, this.#events)
    const create = createAdapter(this.#client, this.#client, {
      key: `livekv:${storeId}:sockets`,
      requestsTimeout: ANSWER_TIMEOUT_MS,
      publishOnSpecificResponseChannel: true,
    })
    // Called with `new`, so it is no arrow function.
    this.adapter = function adapterOf(namespace) {
      return withSafeRequests(create(namespace))
    }
  }

  /** Why the other instances are not reached at present; null: they are. */
  get problem(): string | null {
    if (this.#client.isDeaf) return 'Redis has refused a subscription.'
    return this.#commands.problem ?? this.#events.problem
  }

  start(): Promise<void> {
    return this.#events.start()
  }

  close(): Promise<void> {
    return this.#events.close()
  }
}

/**
 * What the adapter takes for its two Redis clients. The adapter awaits few of its calls, and a rejection that nobody
 * handles ends the process: so here nothing rejects that it does not await.
 */
class AdapterClient extends EventEmitter {
  readonly #commands: RedisConnection
  readonly #events: RedisConnection
  /** Not made yet. Those that were are made again by the client itself when it connects again. */
  #missing: (() => Promise<void>)[] = []

  constructor(commands: RedisConnection, events: RedisConnection) {
    super()
    this.#commands = commands
    this.#events = events
    events.client.on('ready', () => {
      for (const subscribe of this.#missing.splice(0)) void this.#try(subscribe)
    })
  }

  /** What others send does not arrive. */
  get isDeaf(): boolean {
    return this.#missing.length > 0
  }

  async publish(channel: string, message: string | Buffer): Promise<void> {
    await this.#commands.call((client) => client.publish(channel, message)).catch(() => {})
  }

  /** Awaited by the adapter: the one call that may reject. */
  sendCommand(args: string[]): Promise<unknown> {
    return this.#commands.call((client) => client.sendCommand(args))
  }

  async subscribe(channels: string[], listener: Listener): Promise<void> {
    const safely = guarded(listener)
    await this.#try(() => this.#events.client.subscribe(channels, safely, true))
  }

  async pSubscribe(pattern: string, listener: Listener): Promise<void> {
    const safely = guarded(listener)
    await this.#try(() => this.#events.client.pSubscribe(pattern, safely, true))
  }

  /** The adapter knows by it which library this is. */
  sSubscribe(): void {}

  /** The connection ends with the instance. */
  async unsubscribe(): Promise<void> {}
  async pUnsubscribe(): Promise<void> {}

  async #try(subscribe: () => Promise<void>): Promise<void> {
    await subscribe().catch((error: unknown) => {
      if (error instanceof ErrorReply) this.#events.noteRefusal(error)
      this.#missing.push(subscribe)
    })
  }
}

/** An error here would be taken for one of the connection. */
function guarded(listener: Listener): Listener {
  return (message, channel) => {
    try {
      listener(message, channel)
    } catch {
      // Not a message of an adapter.
    }
  }
}

interface Requests {
  onrequest(channel: Buffer, message: Buffer): Promise<unknown>
}

/** The adapter reads requests in a promise that it lets go of: one that is not as it expects would end the process. */
function withSafeRequests<Adapter>(adapter: Adapter): Adapter {
  const requests = adapter as unknown as Requests
  const onRequest = requests.onrequest.bind(adapter)
  requests.onrequest = (channel, message) => onRequest(channel, message).catch(() => {})
  return adapter
}
