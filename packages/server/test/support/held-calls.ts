/** Calls of a store that are executed, and answered, when the test says so, in any order. */
export class HeldCalls {
  readonly #waiting: (() => void)[] = []
  readonly #executed: (() => void)[] = []

  get size(): number {
    return this.#waiting.length + this.#executed.length
  }

  hold<T>(work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.push(() => {
        let answer: () => void
        try {
          const result = work()
          answer = () => resolve(result)
        } catch (error) {
          answer = () => reject(error)
        }
        this.#executed.push(answer)
      })
    })
  }

  /** The call sees the state of now; its answer stays on the way. */
  execute(choice: number): void {
    take(this.#waiting, choice)?.()
  }

  answer(choice: number): void {
    take(this.#executed, choice)?.()
  }

  /** The oldest call, executed and answered. */
  finishOne(): void {
    if (this.#executed.length === 0) this.execute(0)
    this.answer(0)
  }
}

function take<T>(items: T[], choice: number): T | undefined {
  return items.splice(choice % Math.max(1, items.length), 1)[0]
}

/** Lets everything run that can. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 2; i++) await new Promise((resolve) => setImmediate(resolve))
}
