import type { Json } from '@livekv/protocol'
import type { EntryOf } from './watch-event.ts'

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
   * subscribed or the first answer is under way.
   */
  get(): EntryOf<V> | null | undefined
  /** Calls `run` at once with the present state and at each change; returns the end of it. */
  subscribe(run: (entry: EntryOf<V> | null | undefined) => void): () => void
}

/** Starts and ends the watch behind a value; `peek` is what is known without one of its own. */
export interface ValueSource {
  peek(): EntryOf | null | undefined
  watch(changed: () => void): { get: () => EntryOf | null | undefined; stop: () => void }
}

export function createValue(source: ValueSource): Value {
  const runs = new Set<{ run: (entry: EntryOf | null | undefined) => void }>()
  let watch: ReturnType<ValueSource['watch']> | undefined
  let last: EntryOf | null | undefined
  const get = () => (watch ?? { get: source.peek }).get()
  const changed = () => {
    const entry = get()
    if (entry === last) return
    last = entry
    for (const { run } of [...runs]) run(entry)
  }
  return {
    get,
    subscribe(run) {
      const subscription = { run }
      if (watch) changed()
      else {
        watch = source.watch(changed)
        last = get()
      }
      runs.add(subscription)
      run(last)
      return () => {
        if (!runs.delete(subscription) || runs.size > 0) return
        watch?.stop()
        watch = undefined
      }
    },
  }
}
