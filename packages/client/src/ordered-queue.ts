import { MAX_CHARS, type Pending } from './pending.ts'
import type { Stage } from './write-batches.ts'

/** Batches go one after the other: the larger they are, the less waiting. */
const MAX_ITEMS = 1_000

/** Writes of which the whole order counts. */
export class OrderedQueue implements Stage {
  #waiting: Pending[] = []
  #isBusy = false

  get isOver(): boolean {
    return this.#waiting.length === 0 && !this.#isBusy
  }

  add(writes: readonly Pending[]): void {
    this.#waiting = this.#waiting.concat(writes)
  }

  take(limit: number, maxChars: number): Pending[][] {
    if (maxChars <= 0 || this.#isBusy || this.#waiting.length === 0) return []
    this.#isBusy = true
    return [this.#waiting.splice(0, this.#fitting(Math.min(limit, MAX_ITEMS)))]
  }

  free(_batch: readonly Pending[], again: readonly Pending[]): void {
    this.#isBusy = false
    this.#waiting = again.concat(this.#waiting)
  }

  remove(pending: Pending): void {
    const index = this.#waiting.indexOf(pending)
    if (index >= 0) this.#waiting.splice(index, 1)
  }

  #fitting(maxItems: number): number {
    let count = 0
    let chars = 0
    for (const { text, isAlone } of this.#waiting) {
      chars += text.length
      if (count > 0 && (count >= maxItems || chars > MAX_CHARS || isAlone)) break
      count++
      if (isAlone) break
    }
    return count
  }
}
