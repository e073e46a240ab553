import { LiveKVError } from '@livekv/protocol'

/**
 * Who may use a connection next.
 *
 * `commit` goes first, but lets one waiting read pass after each commit, so that neither can starve the other.
 * `bulk` (pages of lists, history, candles, export) goes when nobody else waits, or when it has waited 100 ms.
 * With more than one connection, one is kept for commits.
 */
export type Lane = 'commit' | 'read' | 'bulk'

interface Waiting {
  start: () => void
  since: number
}

const BULK_PATIENCE_MS = 100
const WAITING_MAX = 20_000

export class Lanes {
  readonly #queues: Record<Lane, Waiting[]> = { commit: [], read: [], bulk: [] }
  readonly #size: number
  #busy = 0
  #busyReading = 0
  #commitWasLast = false

  constructor(size: number) {
    this.#size = size
  }

  async run<T>(lane: Lane, work: () => Promise<T>): Promise<T> {
    await this.#enter(lane)
    try {
      return await work()
    } finally {
      this.#busy--
      if (lane !== 'commit') this.#busyReading--
      this.#next()
    }
  }

  #enter(lane: Lane): Promise<void> {
    if (this.#queues[lane].length >= WAITING_MAX) {
      throw new LiveKVError(
        'OVERLOADED',
        `${WAITING_MAX} reads wait for the database. Try again in a second.`,
        {
          retryAfterSeconds: 1,
        },
      )
    }
    return new Promise((resolve) => {
      this.#queues[lane].push({ start: resolve, since: performance.now() })
      this.#next()
    })
  }

  #next(): void {
    while (this.#busy < this.#size) {
      const lane = this.#choose()
      if (lane === undefined) return
      this.#busy++
      if (lane !== 'commit') this.#busyReading++
      this.#commitWasLast = lane === 'commit'
      this.#queues[lane].shift()?.start()
    }
  }

  #choose(): Lane | undefined {
    const { commit, read, bulk } = this.#queues
    const mayRead = this.#size === 1 || this.#busyReading < this.#size - 1
    const impatient = bulk[0] !== undefined && performance.now() - bulk[0].since > BULK_PATIENCE_MS
    if (commit.length > 0 && !(mayRead && this.#commitWasLast && (read.length > 0 || impatient)))
      return 'commit'
    if (!mayRead) return undefined
    if (read.length > 0 && !impatient) return 'read'
    if (bulk.length > 0) return 'bulk'
    return read.length > 0 ? 'read' : undefined
  }
}
