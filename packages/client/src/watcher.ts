import type { ConnectionState } from './connection-state.ts'
import type { LiveKVError } from './error.ts'
import { type Part, partsOf, type Selection } from './selection.ts'
import type { Subscriber } from './shared-watch.ts'
import type { WatchChange, WatchEvent } from './watch-event.ts'
import type { Subscription, Watches } from './watches.ts'

/** One caller's view of a selection: it sees what was asked for, whatever the shared watches behind it show. */
export class Watcher {
  isOver = false
  readonly #emit: (event: WatchEvent) => void
  readonly #ended: () => void
  readonly #watched: Subscription[] = []

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
    for (const part of parts) this.#watched.push(watches.subscribe(part, this.#subscriber(part)))
  }

  state(state: ConnectionState): void {
    this.#emit({ type: 'state', state })
  }

  get(key: string) {
    return this.#watched[0]?.watch.get(key)
  }

  stop(): void {
    if (this.isOver) return
    this.isOver = true
    for (const { stop } of this.#watched) stop()
    this.#ended()
  }

  #subscriber(part: Part): Subscriber {
    const { keys, prefix } = part
    const wanted = keys && keys.length > 1 ? new Set(keys) : undefined
    return {
      ...(keys?.length === 1 && { key: keys[0]! }),
      wants: keys ? (key) => (wanted ? wanted.has(key) : key === keys[0]) : (key) => key.startsWith(prefix!),
      change: (change: WatchChange) => this.#emit(change),
      reset: () => this.#emit({ type: 'reset' }),
      current: () => {
        if (this.#watched.every(({ watch }) => watch.isCurrent)) this.#emit({ type: 'current' })
      },
      failed: (error: LiveKVError) => {
        this.#emit({ type: 'error', error })
        this.stop()
      },
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
