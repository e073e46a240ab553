import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import type { Store } from '../store/store.ts'
import { LOG_READ_TIMEOUT_MS } from './catch-up.ts'
import type { Hub } from './hub.ts'
import { reach } from './reach.ts'

const RETRY_MS = 200

export interface ArrivalGateOptions {
  hub: Pick<Hub, 'contiguous' | 'isClosed' | 'noteHead' | 'catchUp' | 'whenReached'>
  store: Pick<Store, 'head'>
}

/**
 * For those who cannot say how far they were: they are admitted once this instance has seen the log up to a head that
 * was read after they came, and so everything that they may have been shown before, by whatever instance.
 *
 * One read of the head is under way at a time, for all who had come when it began. While the store does not answer, nobody is
 * admitted; it is asked again until it does.
 */
export class ArrivalGate {
  readonly #options: ArrivalGateOptions
  readonly #waiting = new Set<() => void>()
  #isReading = false

  constructor(options: ArrivalGateOptions) {
    this.#options = options
  }

  /** `onAdmitted` is called once, in a later tick; never if what is returned is called before. */
  admit(onAdmitted: () => void): () => void {
    this.#waiting.add(onAdmitted)
    if (!this.#isReading) {
      this.#isReading = true
      void this.#run()
    }
    return () => this.#waiting.delete(onAdmitted)
  }

  async #run(): Promise<void> {
    const { hub, store } = this.#options
    // Those who come in one poll of the sockets share the first read.
    await nextTurn()
    while (this.#waiting.size > 0 && !hub.isClosed) {
      const those = [...this.#waiting]
      const isOver = () => !those.some((one) => this.#waiting.has(one))
      try {
        if (!(await reach(hub, await store.head(0, LOG_READ_TIMEOUT_MS), isOver))) continue
      } catch {
        // The Hub asks for the head too, and says in the log that it gets none.
        await sleep(RETRY_MS, undefined, { ref: false })
        continue
      }
      for (const admit of those) if (this.#waiting.delete(admit)) admit()
    }
    this.#isReading = false
  }
}
