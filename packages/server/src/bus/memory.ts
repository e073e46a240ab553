import type { Change } from '../store/store.ts'
import type { Bus } from './bus.ts'

/** Between the instances of one process; loses nothing. Subscribers get what one turn of the event loop published. */
export class MemoryBus implements Bus {
  readonly problem = null
  readonly #subscribers = new Set<(changes: readonly Change[]) => void>()
  #waiting: (readonly Change[])[] = []
  #closed = false

  publish(changes: readonly Change[]): void {
    if (this.#closed || this.#subscribers.size === 0 || changes.length === 0) return
    this.#waiting.push(changes)
    if (this.#waiting.length === 1) setImmediate(() => this.#deliver())
  }

  async subscribe(onChanges: (changes: readonly Change[]) => void): Promise<void> {
    this.#subscribers.add(onChanges)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#subscribers.clear()
  }

  #deliver(): void {
    const batches = this.#waiting
    this.#waiting = []
    for (const changes of batches) for (const subscriber of this.#subscribers) subscriber(changes)
  }
}
