import { KeyQueues } from './key-queues.ts'
import { OrderedQueue } from './ordered-queue.ts'
import type { Pending } from './pending.ts'

/** Into so many batches at least what a rate limit allows is divided, once it was met. */
const RATE_LIMIT_SHARES = 10

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
  /** Grows without end, and then the usual limits are the lower ones. */
  #rateLimitShare = Number.POSITIVE_INFINITY
  #itemsPerWindow = 0
  #throughSince = 0

  add(pending: Pending): void {
    this.#last(KeyQueues).add(pending)
  }

  addInOrder(writes: readonly Pending[]): void {
    this.#last(OrderedQueue).add(writes)
  }

  /** What may be sent now, of about `maxChars` at most. */
  take(maxChars: number): Pending[][] {
    while (this.#stages.length > 1 && this.#stages[0]!.isOver) this.#stages.shift()
    return this.#stages[0]?.take(Math.min(this.#limit, this.#rateLimitShare), maxChars) ?? []
  }

  free(batch: readonly Pending[], again: readonly Pending[]): void {
    // Whatever is under way is of the first stage.
    this.#stages[0]?.free(batch, again)
  }

  remove(pending: Pending): void {
    for (const stage of this.#stages) stage.remove(pending)
  }

  /** The server takes no larger batches. */
  shrinkTo(items: number): void {
    this.#limit = Math.min(this.#limit, items)
  }

  /** A rate limit was met: a large batch would wait for a window of which others have taken nothing. */
  rateLimited(itemsPerWindow: number): void {
    this.#itemsPerWindow = itemsPerWindow
    this.#rateLimitShare = Math.max(1, Math.floor(itemsPerWindow / RATE_LIMIT_SHARES))
    this.#throughSince = 0
  }

  /**
   * No rate limit held these items up. Batches grow again, to twice as much each time, when as many came through
   * without a refusal as a window allows: a client that meets the limit in every window stays at small ones, since
   * what a refused batch leaves of a window is lost.
   */
  letThrough(items: number): void {
    this.#throughSince += items
    if (this.#throughSince < this.#itemsPerWindow) return
    this.#throughSince = 0
    this.#rateLimitShare *= 2
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
