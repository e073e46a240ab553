import type { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ClassicClientEvents, ClassicServerEvents, ClassicValueUpdate } from '@livekv/protocol'
import { io, type Socket } from 'socket.io-client'
import type { LatestChanges, LatestEntry } from './check-log.ts'

export interface WatcherOptions {
  transports: ('polling' | 'websocket')[]
  /** Chooses the address it comes from. */
  agent?: Agent
  /** It comes by the next of these whenever it comes back. */
  agents?: readonly Agent[]
}

/** One classic client that subscribes again whenever it is connected again, and checks the order it is shown. */
export class Watcher {
  readonly keys: readonly string[]
  readonly problems: string[] = []
  /** Highest revision shown of each key by either event, over all connections, whichever instances they led to. */
  readonly #revisions = new Map<string, number>()
  /** What it was told last of each key that it subscribes to. */
  readonly #values = new Map<string, { revision: number; value: unknown }>()
  events = 0
  connects = 0
  readonly #socket: Socket<ClassicServerEvents, ClassicClientEvents>
  readonly #agents: readonly Agent[]
  #isAway = false
  #cameMs = 0

  /** What is shown goes into `shown`, which all watchers share: they must agree. */
  constructor(
    url: string,
    keys: readonly string[],
    shown: Map<number, LatestEntry>,
    { transports, agents = [], agent = agents[0] }: WatcherOptions,
  ) {
    this.keys = keys
    this.#agents = agents
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
      for (const key of keys) this.#socket.emit('subscribe', key)
    })
    this.#socket.on('subscribed', (answer) => {
      if (answer.status === 'error') this.problems.push(answer.error)
    })
    const see = (event: string, { key, value, revision }: ClassicValueUpdate) => {
      this.events++
      const before = this.#revisions.get(key) ?? 0
      if (revision < before)
        this.problems.push(
          `${event} of ${key}: ${revision} after ${before}, on connection ${this.connects}, ${new Date().toISOString()}`,
        )
      this.#revisions.set(key, Math.max(before, revision))
      const other = shown.get(revision)
      if (other === undefined) shown.set(revision, { key, value: value as string | number, revision })
      else if (other.key !== key || other.value !== value) {
        this.problems.push(`${revision} is ${key} ${value}, and to another ${other.key} ${other.value}`)
      }
    }
    this.#socket.on('valueUpdate', (update) => {
      see('valueUpdate', update)
      const { key, value, revision } = update
      if (!keys.includes(key)) this.problems.push(`valueUpdate of ${key}, which it does not subscribe to`)
      this.#values.set(key, { revision, value })
    })
    this.#socket.on('update', ({ data }) => see('update', data))
  }

  /** Leaves and comes back at once, until the signal; resolves when it is there again. */
  async wander(random: () => number, signal: AbortSignal): Promise<void> {
    const wait = (ms: number) => sleep(ms, undefined, { signal }).catch(() => {})
    for (let visits = 1; !signal.aborted; visits++) {
      await wait(random() * 2_000)
      this.#isAway = true
      this.#socket.disconnect()
      const agent = this.#agents[visits % this.#agents.length]
      if (agent) this.#socket.io.opts.agent = agent as never
      await wait(random() * 100)
      this.#cameMs = performance.now()
      this.#isAway = false
      this.#socket.connect()
    }
  }

  /** It has left by itself at some time since then. */
  hasLeft(sinceMs: number): boolean {
    return this.#isAway || this.#cameMs > sinceMs
  }

  /** Whether it was told of that change of the key, or of a later one. */
  isAt(key: string, revision: number): boolean {
    return (this.#values.get(key)?.revision ?? 0) >= revision
  }

  /** Where the keys of its own differ from what there is, those that are gone included. */
  missing(entries: readonly LatestEntry[]): string[] {
    const present = new Map(entries.map((entry) => [entry.key, entry.revision]))
    return this.keys.flatMap((key) => {
      const [told, revision] = [this.#values.get(key), present.get(key)]
      if (revision === undefined)
        return this.#holds(key) ? [`${key} of ${told?.revision} is still there`] : []
      return told?.revision === revision ? [] : [`${key}: at ${told?.revision} instead of ${revision}`]
    })
  }

  /** Which of these changes it does not know of. */
  behind(latest: LatestChanges): string[] {
    return this.keys.flatMap((key) => {
      const change = latest.get(key)
      if (!change || this.isAt(key, change.revision) || (change.isDelete && !this.#holds(key))) return []
      return [`${key} at ${this.#values.get(key)?.revision} instead of ${change.revision}`]
    })
  }

  close(): void {
    this.#socket.disconnect()
  }

  #holds(key: string): boolean {
    return (this.#values.get(key)?.value ?? null) !== null
  }
}
