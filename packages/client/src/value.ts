import type { Json } from '@livekv/protocol'
import type { LiveKVError } from './error.ts'
import { Listeners } from './listeners.ts'
import type { EntryOf, WatchEvent } from './watch-event.ts'

/**
 * The present state of one key, in the shape that user interface libraries take.
 *
 * - React: `useSyncExternalStore(value.subscribe, value.get)`
 * - Svelte: it is a store: `$gold?.value`
 * - Preact signals, Vue and others: `value.subscribe((entry) => { … })`
 */
export interface Value<V = Json> {
  /**
   * The same object until the key changes. `null`: the key has no value. `undefined`: not known, because nobody is
   * subscribed, the first answer is under way, or the server has refused (`error`).
   */
  get(): EntryOf<V> | null | undefined
  /** Why the server refuses to tell it. It is asked again when all have unsubscribed and somebody subscribes anew. */
  readonly error: LiveKVError | undefined
  /** Calls `run` at once with the present state and at each change; returns the end of it. */
  subscribe(run: (entry: EntryOf<V> | null | undefined) => void): () => void
}

/** Starts and ends the watch behind a value; `peek` is what is known without one of its own. */
export interface ValueSource {
  peek(): EntryOf | null | undefined
  watch(hear: (event: WatchEvent) => void): { get: () => EntryOf | null | undefined; stop: () => void }
}

export function createValue(source: ValueSource): Value {
  const listeners = new Listeners<EntryOf | null | undefined>()
  let watch: ReturnType<ValueSource['watch']> | undefined
  let error: LiveKVError | undefined
  let last: EntryOf | null | undefined
  const value: Value = {
    get: () => (watch ?? { get: source.peek }).get(),
    get error() {
      return error
    },
    subscribe(run) {
      if (watch) hear()
      else {
        watch = source.watch(hear)
        error = undefined
        last = value.get()
      }
      const stop = listeners.add(run, () => last)
      return () => {
        stop()
        if (listeners.size > 0) return
        watch?.stop()
        watch = undefined
      }
    },
  }
  // It names the value, so that this lives as long as its watch.
  const hear = (event?: WatchEvent) => {
    const entry = value.get()
    if (event?.type === 'error') error = event.error
    else if (entry === last) return
    last = entry
    listeners.tell(() => last)
  }
  return value
}
