import type { Change } from '../store/store.ts'
import type { Selection } from './selection.ts'
import { WireChange } from './wire-change.ts'

/** What the audience needs to know of a watch. */
export interface Member {
  readonly selection: Selection
  /** Takes a change of the selection; must not throw, and must not cause further changes. */
  offer(change: WireChange): void
}

/** All watches of this process, found by key and by prefix. */
export class WatchAudience<W extends Member = Member> {
  readonly #members = new Set<W>()
  readonly #byKey = new Map<string, Set<W>>()
  readonly #byPrefix = new Map<string, Set<W>>()
  /** How many distinct prefixes there are of each length: a change is looked up once per length. */
  readonly #lengths = new Map<number, number>()

  /** Once in this process for all watches of a key, however many. */
  keys(): Iterable<string> {
    return this.#byKey.keys()
  }

  [Symbol.iterator](): Iterator<W> {
    return this.#members[Symbol.iterator]()
  }

  get size(): number {
    return this.#members.size
  }

  /** Watches that a change of the key would reach. */
  watchesOf(key: string): number {
    let watches = this.#byKey.get(key)?.size ?? 0
    for (const length of this.#lengths.keys()) {
      if (length <= key.length) watches += this.#byPrefix.get(key.slice(0, length))?.size ?? 0
    }
    return watches
  }

  join(watch: W): void {
    const { keys, prefix } = watch.selection
    this.#members.add(watch)
    if (keys) {
      for (const key of keys) add(this.#byKey, key, watch)
    } else if (add(this.#byPrefix, prefix, watch)) {
      this.#lengths.set(prefix.length, (this.#lengths.get(prefix.length) ?? 0) + 1)
    }
  }

  leave(watch: W): void {
    if (!this.#members.delete(watch)) return
    const { keys, prefix } = watch.selection
    if (keys) {
      for (const key of keys) remove(this.#byKey, key, watch)
    } else if (remove(this.#byPrefix, prefix, watch)) {
      const count = (this.#lengths.get(prefix.length) ?? 1) - 1
      if (count > 0) this.#lengths.set(prefix.length, count)
      else this.#lengths.delete(prefix.length)
    }
  }

  deliver(changes: readonly Change[]): void {
    if (this.#members.size === 0) return
    for (const change of changes) {
      let wire: WireChange | undefined
      const offer = (watches: Set<W> | undefined) => {
        if (watches === undefined) return
        wire ??= new WireChange(change)
        for (const watch of watches) watch.offer(wire)
      }
      offer(this.#byKey.get(change.key))
      for (const length of this.#lengths.keys()) {
        if (length <= change.key.length) offer(this.#byPrefix.get(change.key.slice(0, length)))
      }
    }
  }
}

/** True: it is the first under this name. */
function add<W>(index: Map<string, Set<W>>, name: string, watch: W): boolean {
  const watches = index.get(name)
  if (watches) watches.add(watch)
  else index.set(name, new Set([watch]))
  return watches === undefined
}

/** True: it was the last under this name. */
function remove<W>(index: Map<string, Set<W>>, name: string, watch: W): boolean {
  const watches = index.get(name)
  if (!watches?.delete(watch) || watches.size > 0) return false
  index.delete(name)
  return true
}
