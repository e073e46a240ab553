import { MAX_CHARS, type Pending } from './pending.ts'
import type { Stage } from './write-batches.ts'

/** Several small batches on their way use the server better than one large one. */
const MAX_ITEMS = 128

/** Writes of which only the order per key counts: the queue of each key, and which keys have a batch under way. */
export class KeyQueues implements Stage {
  readonly #queues = new Map<string, Pending[]>()
  /** Keys with writes that may be sent now, in the order in which they began to wait. */
  readonly #ready = new Set<string>()
  readonly #busy = new Set<string>()

  get isOver(): boolean {
    return this.#queues.size === 0 && this.#busy.size === 0
  }

  add(pending: Pending): void {
    const { key } = pending
    const queue = this.#queues.get(key)
    if (queue) queue.push(pending)
    else this.#queues.set(key, [pending])
    if (!this.#busy.has(key)) this.#ready.add(key)
  }

  take(limit: number, maxChars: number): Pending[][] {
    const maxItems = Math.min(limit, MAX_ITEMS)
    const batches: Pending[][] = []
    let open: Pending[] = []
    let chars = 0
    let left = maxChars
    for (const key of this.#ready) {
      if (left <= 0) break
      this.#ready.delete(key)
      this.#busy.add(key)
      const queue = this.#queues.get(key)!
      if (queue[0]!.isAlone) {
        const pending = queue.shift()!
        left -= pending.text.length
        batches.push([pending])
      } else {
        const first = queue[0]!
        if (open.length >= maxItems || (open.length > 0 && chars + first.text.length > MAX_CHARS)) {
          batches.push(open)
          open = []
          chars = 0
        }
        // The rest of a long queue waits: a key has one batch under way.
        let count = 0
        for (const pending of queue) {
          const fits =
            open.length < maxItems && (open.length === 0 || chars + pending.text.length <= MAX_CHARS)
          if (!fits || pending.isAlone) break
          open.push(pending)
          chars += pending.text.length
          left -= pending.text.length
          count++
        }
        queue.splice(0, count)
      }
      if (queue.length === 0) this.#queues.delete(key)
    }
    if (open.length > 0) batches.push(open)
    return batches
  }

  free(batch: readonly Pending[], again: readonly Pending[]): void {
    for (let index = again.length - 1; index >= 0; index--) {
      const pending = again[index]!
      const queue = this.#queues.get(pending.key)
      if (queue) queue.unshift(pending)
      else this.#queues.set(pending.key, [pending])
    }
    for (const { key } of batch) {
      this.#busy.delete(key)
      if (this.#queues.has(key)) this.#ready.add(key)
    }
  }

  remove(pending: Pending): void {
    const { key } = pending
    const queue = this.#queues.get(key)
    const index = queue?.indexOf(pending) ?? -1
    if (!queue || index < 0) return
    queue.splice(index, 1)
    if (queue.length > 0) return
    this.#queues.delete(key)
    this.#ready.delete(key)
  }
}
