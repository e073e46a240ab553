/** Counts what is under way, so that a stopping server can let it end. */
export class InFlight {
  #count = 0
  #isClosed = false
  #onNone: (() => void) | undefined

  /** Nothing new is to be begun. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  begin(): void {
    this.#count++
  }

  end(): void {
    this.#count--
    if (this.#count === 0) this.#onNone?.()
  }

  /** Resolves when nothing is under way any more, or after `timeoutMs`. */
  close(timeoutMs: number): Promise<void> {
    this.#isClosed = true
    if (this.#count === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs)
      this.#onNone = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
