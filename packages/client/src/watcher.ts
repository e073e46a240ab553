import type { ConnectionState } from './connection-state.ts'
import type { LiveKVError } from './error.ts'
import { safely } from './listeners.ts'
import { type Part, partsOf, type Selection } from './selection.ts'
import type { Subscriber } from './shared-watch.ts'
import type { WatchChange, WatchEvent } from './watch-event.ts'
import type { Subscription, Watches } from './watches.ts'

/** One caller's view of a selection: it sees what was asked for, whatever the shared watches behind it show. */
export class Watcher {
  isOver = false
  readonly #emit: (event: WatchEvent) => void
  readonly #ended: () => void
  readonly #subscriptions: Subscription[] = []
  /** Of how many of the subscriptions the state was told. */
  readonly #told = new Set<Part>()

  /** Nothing is emitted within the constructor. `ended` is called once. Throws if the selection is none. */
  constructor(
    watches: Watches,
    selection: Selection,
    state: () => ConnectionState,
    emit: (event: WatchEvent) => void,
    ended: () => void,
  ) {
    const parts = partsOf(selection)
    this.#ended = ended
    this.#emit = (event) => {
      if (!this.isOver) safely(() => emit(event))
    }
    queueMicrotask(() => this.state(state()))
    for (const part of parts) this.#subscriptions.push(watches.subscribe(this.#subscriber(part)))
  }

  state(state: ConnectionState): void {
    this.#emit({ type: 'state', state })
  }

  get(key: string) {
    return this.#subscriptions[0]?.watch.get(key)
  }

  stop(): void {
    if (this.isOver) return
    this.isOver = true
    for (const subscription of this.#subscriptions) subscription.stop()
    this.#ended()
  }

  #subscriber(part: Part): Subscriber {
    const at = this.#subscriptions.length
    return {
      part,
      change: (change: WatchChange) => this.#emit(change),
      reset: () => {
        this.#emit({ type: 'reset' })
        // It voids what was shown of all parts: those that have begun anew already are told again.
        for (const [i, other] of this.#subscriptions.entries()) if (i !== at) other.tellState()
      },
      current: () => {
        this.#told.add(part)
        const isTold = this.#told.size === this.#subscriptions.length
        if (isTold && this.#subscriptions.every(({ watch }) => watch.isCurrent))
          this.#emit({ type: 'current' })
      },
      failed: (error: LiveKVError) => {
        this.#emit({ type: 'error', error })
        this.stop()
      },
    }
  }
}
