import type { Histogram } from 'prom-client'
import type { CommitResult, Store, Write } from '../store/store.ts'

/** Passes commits on and measures them, once per batch. */
export class CommitTimes {
  readonly #store: Pick<Store, 'commit'>
  readonly #seconds: Histogram
  readonly #writes: Histogram
  #failed = 0

  constructor(store: Pick<Store, 'commit'>, histograms: { seconds: Histogram; writes: Histogram }) {
    this.#store = store
    this.#seconds = histograms.seconds
    this.#writes = histograms.writes
  }

  commit(writes: readonly Write[]): Promise<CommitResult[]> {
    const began = performance.now()
    const results = this.#store.commit(writes)
    const note = () => this.#seconds.observe((performance.now() - began) / 1_000)
    this.#writes.observe(writes.length)
    results.then(note, () => {
      this.#failed++
      note()
    })
    return results
  }

  stats(): { failed: number } {
    return { failed: this.#failed }
  }
}
