import type { Server } from 'socket.io'
import type { ClusterAdapter } from '../redis/cluster-adapter.ts'

/** What instances ask each other. */
export interface ClusterEvents {
  presence: (key: string | null, answer: (counts: PresenceCounts) => void) => void
}

export interface PresenceCounts {
  sockets: number
  /** Watches and classic subscriptions: all of them, or those that a change of the key would reach. */
  watches: number
}

export interface PresenceReport {
  instance: PresenceCounts
  /** Over all instances that answered, this one included; what the others said may be a second old. */
  cluster: PresenceCounts & { instances: number }
  /** False: not every instance could be asked or answered in time, so there may be more. */
  complete: boolean
}

export interface PresenceOptions {
  /** Whose adapter reaches the other instances, where there is one. */
  // biome-ignore lint/suspicious/noExplicitAny: the events of clients do not matter here
  io: Server<any, any, ClusterEvents>
  /** Absent: there are no other instances. */
  cluster: Pick<ClusterAdapter, 'problem'> | undefined
  /** Of this instance. */
  count(key: string | undefined): PresenceCounts
  /** How long the answers of the others are given again. */
  keptMs?: number
}

interface Others {
  answers: PresenceCounts[]
  complete: boolean
}

/** Beyond the adapter's own, which begins only when it has been told how many instances there are. */
const TIMEOUT_MS = 1_000
const KEPT_MS = 1_000
/** Keys asked about within that time; past it each is asked anew. */
const MAX_KEPT = 1_000

/**
 * Who is connected, over all instances. Asked when somebody wants to know, so that no instance that has gone is
 * counted; each question goes to the others once a second, however many want to know.
 */
export class Presence {
  readonly #options: PresenceOptions
  readonly #kept = new Map<string | null, Promise<Others>>()

  constructor(options: PresenceOptions) {
    this.#options = options
    options.io.on('presence', (key, answer) => answer(options.count(key ?? undefined)))
  }

  /** Never rejects, and answers within a bounded time. */
  async report(key?: string): Promise<PresenceReport> {
    const { answers, complete } = await this.#others(key ?? null)
    const instance = this.#options.count(key)
    const cluster = { ...instance, instances: 1 + answers.length }
    for (const { sockets, watches } of answers) {
      cluster.sockets += sockets
      cluster.watches += watches
    }
    return { instance, cluster, complete }
  }

  /** Ends the connections of the room's sockets (a socket's id is a room of its own) on every instance that is reached. */
  disconnectEverywhere(room: string): void {
    const { io, cluster } = this.#options
    // The message comes back to this instance too, unless Redis is away.
    io.local.in(room).disconnectSockets(true)
    if (cluster) io.in(room).disconnectSockets(true)
  }

  async #others(key: string | null): Promise<Others> {
    const { cluster, keptMs = KEPT_MS } = this.#options
    if (!cluster) return { answers: [], complete: true }
    if (cluster.problem !== null) return { answers: [], complete: false }
    const kept = this.#kept.get(key)
    if (kept) return kept
    const asked = this.#ask(key, cluster)
    if (this.#kept.size >= MAX_KEPT) return asked
    this.#kept.set(key, asked)
    const forget = () => this.#kept.delete(key)
    return asked.finally(() => setTimeout(forget, keptMs).unref())
  }

  /** Never rejects. */
  async #ask(key: string | null, cluster: Pick<ClusterAdapter, 'problem'>): Promise<Others> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(reject, TIMEOUT_MS, new Error('The other instances could not be asked in time.'))
    })
    try {
      const answers = await Promise.race([this.#options.io.serverSideEmitWithAck('presence', key), late])
      return { answers, complete: cluster.problem === null }
    } catch (error) {
      const { responses = [] } = error as { responses?: PresenceCounts[] }
      return { answers: responses, complete: false }
    } finally {
      clearTimeout(timer)
    }
  }
}
