import type { Agent } from 'node:http'
import type { ClassicClientEvents, ClassicServerEvents, ClassicValueUpdate } from '@livekv/protocol'
import { io, type Socket } from 'socket.io-client'
import type { LatestEntry } from './check-log.ts'

export interface WatcherOptions {
  transports: ('polling' | 'websocket')[]
  /** Chooses the address it comes from. */
  agent?: Agent
  /**
   * Another connection may lead to another instance, which may be behind the one before. A classic client has no cursor
   * to say how far it was: its order is that of a connection.
   */
  isOrderedByConnection?: boolean
}

/** One classic client that subscribes again whenever it is connected again, and checks the order it is shown. */
export class Watcher {
  readonly keys: readonly string[]
  readonly problems: string[] = []
  /** Highest revision shown of each key, over all connections (or of this one, if it is ordered by that). */
  readonly revisions = new Map<string, number>()
  events = 0
  connects = 0
  readonly #socket: Socket<ClassicServerEvents, ClassicClientEvents>

  /** What is shown goes into `shown`, which all watchers share: they must agree. */
  constructor(
    url: string,
    keys: readonly string[],
    shown: Map<number, LatestEntry>,
    { transports, agent, isOrderedByConnection = false }: WatcherOptions,
  ) {
    this.keys = keys
    this.#socket = io(url, {
      forceNew: true,
      transports,
      // Its types know the browser's only.
      ...(agent && { agent: agent as never }),
      reconnectionDelay: 50,
      reconnectionDelayMax: 200,
    })
    this.#socket.on('connect', () => {
      this.connects++
      if (isOrderedByConnection) this.revisions.clear()
      for (const key of keys) this.#socket.emit('subscribe', key)
    })
    this.#socket.on('subscribed', (answer) => {
      if (answer.status === 'error') this.problems.push(answer.error)
    })
    const see = (event: string, { key, value, revision }: ClassicValueUpdate) => {
      this.events++
      const before = this.revisions.get(key) ?? 0
      if (revision < before)
        this.problems.push(
          `${event} of ${key}: ${revision} after ${before}, on connection ${this.connects}, ${new Date().toISOString()}`,
        )
      this.revisions.set(key, revision)
      const other = shown.get(revision)
      if (other === undefined) shown.set(revision, { key, value: value as string | number, revision })
      else if (other.key !== key || other.value !== value) {
        this.problems.push(`${revision} is ${key} ${value}, and to another ${other.key} ${other.value}`)
      }
    }
    this.#socket.on('valueUpdate', (update) => see('valueUpdate', update))
    this.#socket.on('update', ({ data }) => see('update', data))
  }

  /** Keys of its own that have a value and that it is not up to date with. */
  missing(entries: readonly LatestEntry[]): string[] {
    return entries
      .filter(({ key, revision }) => this.keys.includes(key) && this.revisions.get(key) !== revision)
      .map(({ key, revision }) => `${key}: at ${this.revisions.get(key)} instead of ${revision}`)
  }

  close(): void {
    this.#socket.disconnect()
  }
}
