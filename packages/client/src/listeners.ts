/** Whom to tell. One that throws, ends another or begins one disturbs nobody else. */
export class Listeners<T> {
  readonly #runs = new Set<{ run: (value: T) => void }>()

  get size(): number {
    return this.#runs.size
  }

  /** Tells it at once; the returned function ends it. */
  add(run: (value: T) => void, present: () => T): () => void {
    const listener = { run }
    this.#runs.add(listener)
    safely(() => run(present()))
    return () => void this.#runs.delete(listener)
  }

  /** What each hears is the present value of its moment: one of them may have changed it. */
  tell(present: () => T): void {
    for (const listener of [...this.#runs]) {
      if (this.#runs.has(listener)) safely(() => listener.run(present()))
    }
  }
}

/** What a listener throws is reported as any uncaught error is, and stops nobody else's events. */
export function safely(call: () => void): void {
  try {
    call()
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}
