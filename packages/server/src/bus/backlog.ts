import type { Change } from '../store/store.ts'

/** What a record has besides the texts of its change: the names in its JSON, times, headers. */
const RECORD_OVERHEAD = 300

/**
 * Changes that wait to be sent, in order, bounded in bytes: past it the oldest are dropped, because the newest are
 * what watchers wait for.
 */
export class Backlog {
  #changes: Change[] = []
  /** Where the waiting ones begin. */
  #start = 0
  #bytes = 0
  readonly #maxBytes: number
  #wake: (() => void) | undefined

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get size(): number {
    return this.#changes.length - this.#start
  }

  get bytes(): number {
    return this.#bytes
  }

  /** How many were dropped for it. */
  add(changes: readonly Change[]): number {
    for (const change of changes) {
      this.#changes.push(change)
      this.#bytes += weigh(change)
    }
    this.#wake?.()
    return this.#trim()
  }

  /** The oldest, as many as `maxBytes` allow, at least one. */
  take(maxBytes: number): Change[] {
    let end = this.#start
    let bytes = 0
    while (end < this.#changes.length) {
      const weight = weigh(this.#changes[end]!)
      if (bytes > 0 && bytes + weight > maxBytes) break
      bytes += weight
      end++
    }
    const taken = this.#changes.slice(this.#start, end)
    this.#bytes -= bytes
    this.#start = end
    this.#compact()
    return taken
  }

  /** They could not be sent: the oldest again. How many were dropped for it. */
  putBack(changes: readonly Change[]): number {
    this.#changes = [...changes, ...this.#changes.slice(this.#start)]
    this.#start = 0
    for (const change of changes) this.#bytes += weigh(change)
    this.#wake?.()
    return this.#trim()
  }

  /** Resolves when something waits, or at the signal. */
  async whenFilled(signal: AbortSignal): Promise<void> {
    if (this.size > 0 || signal.aborted) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const wake = () => resolve()
    this.#wake = wake
    signal.addEventListener('abort', wake)
    await promise
    signal.removeEventListener('abort', wake)
    this.#wake = undefined
  }

  #trim(): number {
    let dropped = 0
    while (this.#bytes > this.#maxBytes && this.size > 1) {
      this.#bytes -= weigh(this.#changes[this.#start]!)
      this.#start++
      dropped++
    }
    this.#compact()
    return dropped
  }

  /** What has gone must not be held; copying the rest now and then costs less than shifting the array each time. */
  #compact(): void {
    if (this.#start === 0 || this.#start * 2 < this.#changes.length) return
    this.#changes = this.#changes.slice(this.#start)
    this.#start = 0
  }
}

function weigh({ key, json }: Change): number {
  // The key is in the record twice. Brokers limit bytes, and a character can have three.
  return RECORD_OVERHEAD + 2 * Buffer.byteLength(key) + (json === null ? 0 : Buffer.byteLength(json))
}
