import type { ChangesFrame, Entry, SnapshotFrame } from '@livekv/protocol'
import { askedMs } from './backoff.ts'
import { isErrorBody, LiveKVError } from './error.ts'
import { type Link, LinkLost } from './link.ts'
import { isCovered, type Part, partsOf } from './selection.ts'
import { SharedWatch, type Subscriber } from './shared-watch.ts'

/** How long a watch outlives those who asked for it: a component that mounts again finds it as it was. */
const LINGER_MS = 1_000
const RETRY_MS = 1_000
/** A wider watch that nobody asked for any more stays open for more selections within it than this. */
const MAX_MOVED = 100

/** Where a subscriber is told from. */
export interface Subscription {
  readonly watch: SharedWatch
  /** All that is known of its part. */
  tellState(): void
  stop(): void
}

interface Place extends Subscription {
  watch: SharedWatch
  readonly subscriber: Subscriber
}

/**
 * Which watches are open on the server. Equal selections share one, and a selection within a watched prefix uses that
 * one; when nobody asks for the prefix itself any more, or the server refuses it, what is left gets watches of its own.
 * Each watch gets a new name per connection, so that frames of an earlier one are known.
 */
export class Watches {
  readonly #open = new Map<string, SharedWatch>()
  readonly #prefixes = new Set<SharedWatch>()
  readonly #places = new Map<SharedWatch, Set<Place>>()
  readonly #byName = new Map<string, SharedWatch>()
  readonly #names = new Map<SharedWatch, string>()
  readonly #lingering = new Map<SharedWatch, ReturnType<typeof setTimeout>>()
  readonly #retries = new Set<ReturnType<typeof setTimeout>>()
  readonly #changed: () => void
  #link: Link | undefined
  #named = 0

  /** `changed` is called when `isCurrent` may have another answer. */
  constructor(changed: () => void) {
    this.#changed = changed
  }

  /** Every watch that somebody looks at is up to date. */
  get isCurrent(): boolean {
    for (const watch of this.#open.values()) if (!watch.isCurrent && watch.isWatched) return false
    return true
  }

  subscribe(subscriber: Subscriber): Subscription {
    const { part } = subscriber
    const watch = this.#find(part) ?? this.#begin(part)
    if (watch.part.id === part.id) this.#keep(watch)
    const place: Place = {
      watch,
      subscriber,
      tellState: () => place.watch.tellState(subscriber),
      stop: () => this.#leave(place),
    }
    this.#places.get(watch)!.add(place)
    watch.subscribe(subscriber)
    this.#changed()
    return place
  }

  /** What an open watch knows of the key. */
  peek(key: string): Entry | null | undefined {
    return this.#find(partsOf({ key })[0]!)?.get(key)
  }

  up(link: Link): void {
    this.#link = link
    for (const watch of this.#open.values()) {
      if (watch.isWatched) void this.#ask(watch, link)
      else this.#end(watch)
    }
  }

  down(): void {
    this.#link = undefined
    this.#byName.clear()
    this.#names.clear()
    for (const timer of this.#retries) clearTimeout(timer)
    this.#retries.clear()
    for (const watch of this.#open.values()) watch.interrupted()
  }

  snapshot(frame: SnapshotFrame): void {
    this.#byName.get(frame.watch)?.snapshotFrame(frame)
    this.#changed()
  }

  changes(frame: ChangesFrame): void {
    this.#byName.get(frame.watch)?.changesFrame(frame)
    if (frame.current) this.#changed()
  }

  ended(name: string, error: LiveKVError): void {
    const watch = this.#byName.get(name)
    if (watch) this.#refused(watch, error)
  }

  close(): void {
    for (const watch of [...this.#open.values()]) this.#forget(watch)
    this.down()
  }

  #find(part: Part): SharedWatch | undefined {
    const same = this.#open.get(part.id)
    if (same) return same
    for (const watch of this.#prefixes) if (isCovered(part, watch.part)) return watch
    return undefined
  }

  #begin(part: Part, from?: SharedWatch): SharedWatch {
    const watch = new SharedWatch(part, from)
    this.#open.set(part.id, watch)
    this.#places.set(watch, new Set())
    if ('prefix' in part.asked) this.#prefixes.add(watch)
    if (this.#link) void this.#ask(watch, this.#link)
    return watch
  }

  #leave(place: Place): void {
    const { watch, subscriber } = place
    const places = this.#places.get(watch)
    if (!places?.delete(place)) return
    watch.unsubscribe(subscriber)
    if (!isAskedFor(watch, places)) this.#linger(watch)
    this.#changed()
  }

  #keep(watch: SharedWatch): void {
    clearTimeout(this.#lingering.get(watch))
    this.#lingering.delete(watch)
  }

  #linger(watch: SharedWatch): void {
    this.#keep(watch)
    const timer = setTimeout(() => {
      this.#lingering.delete(watch)
      const places = [...this.#places.get(watch)!]
      if (new Set(places.map(({ subscriber }) => subscriber.part.id)).size > MAX_MOVED) return
      this.#end(watch)
      for (const place of places) this.#move(place)
      this.#changed()
    }, LINGER_MS)
    this.#lingering.set(watch, timer)
  }

  /** From a watch that is forgotten to one of its own. */
  #move(place: Place): void {
    const { watch: from, subscriber } = place
    place.watch = this.#open.get(subscriber.part.id) ?? this.#begin(subscriber.part, from)
    this.#places.get(place.watch)!.add(place)
    place.watch.adopt(subscriber, from)
  }

  #end(watch: SharedWatch): void {
    this.#forget(watch)
    const name = this.#names.get(watch)
    if (name === undefined) return
    this.#names.delete(watch)
    this.#byName.delete(name)
    this.#link?.request('unwatch', { watch: name }).catch(ignoreLost)
  }

  #forget(watch: SharedWatch): void {
    this.#keep(watch)
    this.#open.delete(watch.part.id)
    this.#prefixes.delete(watch)
    this.#places.delete(watch)
  }

  async #ask(watch: SharedWatch, link: Link): Promise<void> {
    const name = String(++this.#named)
    this.#names.set(watch, name)
    this.#byName.set(name, watch)
    const since = watch.cursor
    try {
      const answer = await link.request(
        'watch',
        { watch: name, ...(watch.part.asked as { prefix: string }), ...(since !== undefined && { since }) },
        // Frames may follow in the same breath: the answer has to be known before them.
        (answer) => {
          if (this.#byName.get(name) === watch && !isErrorBody(answer)) watch.answered(answer)
        },
      )
      if (this.#byName.get(name) === watch && isErrorBody(answer))
        this.#refused(watch, LiveKVError.of(answer))
    } catch (error) {
      ignoreLost(error)
    }
  }

  #refused(watch: SharedWatch, error: LiveKVError): void {
    watch.interrupted()
    this.#byName.delete(this.#names.get(watch)!)
    this.#names.delete(watch)
    if (error.retryable) this.#retry(watch, error)
    else {
      const isMeant = ({ subscriber }: Place) => subscriber.part.id === watch.part.id
      const places = [...this.#places.get(watch)!]
      this.#forget(watch)
      for (const place of places) if (!isMeant(place)) this.#move(place)
      for (const place of places) if (isMeant(place)) place.subscriber.failed(error)
    }
    this.#changed()
  }

  /** As long as this connection lasts: the next one asks for everything. */
  #retry(watch: SharedWatch, error: LiveKVError): void {
    const timer = setTimeout(
      () => {
        this.#retries.delete(timer)
        if (this.#link && this.#places.has(watch)) void this.#ask(watch, this.#link)
      },
      askedMs(error) + RETRY_MS * (0.5 + Math.random()),
    )
    this.#retries.add(timer)
  }
}

/** Whether somebody asked for exactly this. */
function isAskedFor({ part }: SharedWatch, places: Iterable<Place>): boolean {
  for (const { subscriber } of places) if (subscriber.part.id === part.id) return true
  return false
}

function ignoreLost(error: unknown): void {
  if (!(error instanceof LinkLost)) throw error
}
