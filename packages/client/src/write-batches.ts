import { KeyQueues } from './key-queues.ts'
import { OrderedQueue } from './ordered-queue.ts'
import type { Pending } from './pending.ts'

/** A part of what waits. */
export interface Stage {
  /** The batches that may be sent now, of at most `limit` items each and together about `maxChars`; each is under way until `free`. */
  take(limit: number, maxChars: number): Pending[][]
  /** The batch is over; `again` (in its order) goes back to its place. */
  free(batch: readonly Pending[], again: readonly Pending[]): void
  remove(pending: Pending): void
  /** Nothing waits and nothing is under way. */
  readonly isOver: boolean
}

/**
 * What waits, as batches. Writes issued by themselves keep their order per key and go side by side; those that were
 * issued in order go one batch after the other, after everything before them and before everything after.
 */
export class Batcher {
  readonly #stages: Stage[] = []
  #limit = Number.POSITIVE_INFINITY

  add(pending: Pending): void {
    this.#last(KeyQueues).add(pending)
  }

  addInOrder(writes: readonly Pending[]): void {
    this.#last(OrderedQueue).add(writes)
  }

  /** What may be sent now, of about `maxChars` at most. */
  take(maxChars: number): Pending[][] {
    while (this.#stages.length > 1 && this.#stages[0]!.isOver) this.#stages.shift()
    return this.#stages[0]?.take(this.#limit, maxChars) ?? []
  }

  free(batch: readonly Pending[], again: readonly Pending[]): void {
    // Whatever is under way is of the first stage.
    this.#stages[0]?.free(batch, again)
  }

  remove(pending: Pending): void {
    for (const stage of this.#stages) stage.remove(pending)
  }

  /** The server takes no larger batches, or seldom. */
  shrinkTo(items: number): void {
    this.#limit = Math.min(this.#limit, items)
  }

  /** The stage for what comes now: the last one, if it is of that kind. */
  #last<Kind extends Stage>(kind: new () => Kind): Kind {
    const last = this.#stages.at(-1)
    if (last instanceof kind) return last
    const stage = new kind()
    this.#stages.push(stage)
    return stage
  }
}
