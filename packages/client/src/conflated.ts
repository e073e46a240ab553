/**
 * A queue for a consumer that may be slow: per key it holds the latest only, in the order in which the keys first
 * waited. So it never holds more than one item per key, and no key waits for ever.
 */
export class Conflated<T extends { key: string }> implements AsyncIterableIterator<T> {
  readonly #waiting = new Map<string, T>()
  readonly #stop: () => void
  #takers: { resolve: (result: IteratorResult<T>) => void; reject: (error: unknown) => void }[] = []
  #end: { error?: unknown } | undefined

  /** `stop` is called once, when the consumer leaves or the source ends. */
  constructor(stop: () => void) {
    this.#stop = stop
  }

  push(item: T): void {
    if (this.#end) return
    const taker = this.#takers.shift()
    if (taker) taker.resolve({ done: false, value: item })
    else this.#waiting.set(item.key, item)
  }

  /** What waits is still given out, then the error is thrown or the loop ends. */
  finish(end: { error?: unknown }): void {
    if (this.#end) return
    this.#end = end
    this.#stop()
    const takers = this.#takers
    this.#takers = []
    for (const { resolve, reject } of takers) {
      if ('error' in end) reject(end.error)
      else resolve({ done: true, value: undefined })
    }
  }

  async next(): Promise<IteratorResult<T>> {
    for (const [key, value] of this.#waiting) {
      this.#waiting.delete(key)
      return { done: false, value }
    }
    if (this.#end) {
      const { error } = this.#end
      if (error === undefined) return { done: true, value: undefined }
      this.#end = {}
      throw error
    }
    return new Promise((resolve, reject) => this.#takers.push({ resolve, reject }))
  }

  async return(): Promise<IteratorResult<T>> {
    this.#waiting.clear()
    this.finish({})
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
