import type { ChangesFrame, Entry, SnapshotFrame } from '@livekv/protocol'
import { isErrorBody, LiveKVError } from './error.ts'
import { type Link, LinkLost } from './link.ts'
import { coveredBy, type Part, partId } from './selection.ts'
import { SharedWatch, type Subscriber } from './shared-watch.ts'

export interface Subscription {
  readonly part: Part
  readonly subscriber: Subscriber
  /** Where it looks; another one when the server refuses this one for being larger than `part`. */
  watch: SharedWatch
  stop(): void
}

/** How long a watch outlives its last subscriber: a component that mounts again finds it as it was. */
const LINGER_MS = 1_000
const RETRY_MS = 1_000

/**
 * Which watches are open on the server. Equal selections share one, and a selection within a watched prefix uses that
 * one, which then stays open for it. Each gets a new name per connection, so that frames of an earlier one are known.
 */
export class Watches {
  readonly #open = new Map<string, SharedWatch>()
  readonly #prefixes = new Map<string, SharedWatch>()
  readonly #byName = new Map<string, SharedWatch>()
  readonly #names = new Map<SharedWatch, string>()
  readonly #subscriptions = new Set<Subscription>()
  readonly #timers = new Map<SharedWatch, ReturnType<typeof setTimeout>>()
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

  subscribe(part: Part, subscriber: Subscriber): Subscription {
    const subscription: Subscription = {
      part,
      subscriber,
      watch: this.#attach(part, subscriber),
      stop: () => this.#stop(subscription),
    }
    this.#subscriptions.add(subscription)
    this.#changed()
    return subscription
  }

  /** What an open watch knows of the key. */
  peek(key: string): Entry | null | undefined {
    return this.#find({ keys: [key] })?.get(key)
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
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
    this.#open.clear()
    this.#prefixes.clear()
    this.down()
  }

  #isOpen(watch: SharedWatch): boolean {
    return this.#open.get(partId(watch.part)) === watch
  }

  #find(part: Part): SharedWatch | undefined {
    const same = this.#open.get(partId(part))
    if (same) return same
    for (const [prefix, watch] of this.#prefixes) if (coveredBy(part, prefix)) return watch
    return undefined
  }

  #attach(part: Part, subscriber: Subscriber, before?: SharedWatch): SharedWatch {
    const watch = this.#find(part) ?? this.#begin(part, before)
    clearTimeout(this.#timers.get(watch))
    this.#timers.delete(watch)
    watch.subscribe(subscriber)
    return watch
  }

  #stop(subscription: Subscription): void {
    if (!this.#subscriptions.delete(subscription)) return
    const { watch, subscriber } = subscription
    watch.unsubscribe(subscriber)
    if (!watch.isWatched && this.#isOpen(watch)) {
      this.#timers.set(
        watch,
        setTimeout(() => this.#end(watch), LINGER_MS),
      )
    }
    this.#changed()
  }

  #begin(part: Part, before?: SharedWatch): SharedWatch {
    const watch = new SharedWatch(part, before)
    this.#open.set(partId(part), watch)
    if (part.prefix !== undefined) this.#prefixes.set(part.prefix, watch)
    if (this.#link) void this.#ask(watch, this.#link)
    return watch
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
    clearTimeout(this.#timers.get(watch))
    this.#timers.delete(watch)
    if (!this.#isOpen(watch)) return
    this.#open.delete(partId(watch.part))
    if (watch.part.prefix !== undefined) this.#prefixes.delete(watch.part.prefix)
  }

  async #ask(watch: SharedWatch, link: Link): Promise<void> {
    const name = String(++this.#named)
    this.#names.set(watch, name)
    this.#byName.set(name, watch)
    const since = watch.cursor
    try {
      const answer = await link.request(
        'watch',
        { watch: name, ...(watch.part as { prefix: string }), ...(since !== undefined && { since }) },
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
    const link = this.#link
    watch.interrupted()
    this.#byName.delete(this.#names.get(watch)!)
    this.#names.delete(watch)
    const again = () => {
      if (link && this.#link === link && this.#isOpen(watch)) void this.#ask(watch, link)
    }
    if (error.code === 'INVALID_CURSOR' && watch.cursor !== undefined) {
      watch.forgetCursor()
      again()
    } else if (error.retryable) {
      setTimeout(again, RETRY_MS * (0.5 + Math.random()))
    } else {
      this.#forget(watch)
      for (const subscription of [...this.#subscriptions]) {
        if (subscription.watch !== watch) continue
        const { part, subscriber } = subscription
        if (partId(part) === partId(watch.part)) subscriber.failed(error)
        else {
          watch.unsubscribe(subscriber)
          subscription.watch = this.#attach(part, subscriber, watch)
        }
      }
      this.#changed()
    }
  }
}

function ignoreLost(error: unknown): void {
  if (!(error instanceof LinkLost)) throw error
}
