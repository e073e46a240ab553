import type { Change, ChangesFrame, Entry, SnapshotFrame, WatchAnswer } from '@livekv/protocol'
import type { LiveKVError } from './error.ts'
import type { Part } from './selection.ts'
import type { WatchChange, WatchDelete, WatchPut } from './watch-event.ts'

/**
 * One watch on the server, and everybody here who looks at it.
 *
 * answer (reset? resumed?) -> snapshot frames … end | changes … current -> changes …    again after each connection,
 * and at any time a snapshot again
 *
 * Of each key only what is not older than what was shown goes on (Rule: client-drops-older). A snapshot removes what is
 * neither in it nor in a change since it began (Rule: end-spares-changed). After a reset nothing that was known counts:
 * revisions of another store say nothing about those of this one (Rules: reset-drops-held, answer-names-store).
 */
export interface Subscriber {
  /** The one key it wants, or undefined: then `wants` decides. */
  readonly key?: string
  wants(key: string): boolean
  change(change: WatchChange): void
  reset(): void
  current(): void
  /** The server refuses the selection it asked for. */
  failed(error: LiveKVError): void
}

/** Revisions of deleted keys, kept so that an older put does not bring one back; the oldest go first. */
const MAX_TOMBSTONES = 10_000

interface Held {
  entry: Entry
  /** Which store state its revision belongs to: raised at each reset. */
  epoch: number
}

export class SharedWatch {
  readonly part: Part
  /** Up to date, as far as this connection has told. */
  isCurrent = false
  /** The whole state was shown at least once since the last reset. */
  #isLoaded = false
  #cursor: string | undefined
  #storeId: string | undefined
  #epoch = 0
  readonly #held = new Map<string, Held>()
  readonly #tombstones = new Map<string, number>()
  /** The keys of the snapshot under way, with what changed meanwhile. */
  #snapshot: Set<string> | undefined
  readonly #byKey = new Map<string, Set<Subscriber>>()
  readonly #wide = new Set<Subscriber>()
  /** Subscribed a moment ago; they have not been told the state yet. */
  readonly #new = new Set<Subscriber>()

  /** `before`: what those who will look at this one were shown by; its snapshot says what of that is gone. */
  constructor(part: Part, before?: SharedWatch) {
    this.part = part
    if (before === undefined) return
    this.#epoch = before.#epoch
    this.#storeId = before.#storeId
    for (const [key, held] of before.#held) {
      if (part.keys?.includes(key) ?? key.startsWith(part.prefix!)) this.#held.set(key, held)
    }
  }

  get cursor(): string | undefined {
    return this.#cursor
  }

  get isWatched(): boolean {
    return this.#wide.size > 0 || this.#byKey.size > 0 || this.#new.size > 0
  }

  /** The present state reaches it in a moment, not within this call. */
  subscribe(subscriber: Subscriber): void {
    this.#new.add(subscriber)
    queueMicrotask(() => {
      if (!this.#new.delete(subscriber)) return
      const { key } = subscriber
      if (key === undefined) this.#wide.add(subscriber)
      else {
        const others = this.#byKey.get(key)
        if (others) others.add(subscriber)
        else this.#byKey.set(key, new Set([subscriber]))
      }
      for (const held of key === undefined ? this.#held.values() : [this.#held.get(key)]) {
        if (held && subscriber.wants(held.entry.key)) subscriber.change(putOf(held.entry, true))
      }
      if (this.isCurrent) subscriber.current()
    })
  }

  unsubscribe(subscriber: Subscriber): void {
    this.#new.delete(subscriber)
    this.#wide.delete(subscriber)
    const { key } = subscriber
    const ofKey = key === undefined ? undefined : this.#byKey.get(key)
    if (ofKey?.delete(subscriber) && ofKey.size === 0) this.#byKey.delete(key!)
  }

  /** Null: it has no value. Undefined: not known yet. The same object until it changes. */
  get(key: string): Entry | null | undefined {
    return this.#held.get(key)?.entry ?? (this.#isLoaded ? null : undefined)
  }

  /** The connection is gone; what is held stays, to go on from. */
  interrupted(): void {
    this.isCurrent = false
    this.#snapshot = undefined
  }

  /** The server does not know the cursor: the next watch begins anew. */
  forgetCursor(): void {
    this.#reset()
  }

  answered({ reset, resumed, storeId }: WatchAnswer): void {
    if (reset || (this.#storeId !== undefined && storeId !== this.#storeId)) this.#reset()
    this.#storeId = storeId
    if (!resumed) this.#beginSnapshot()
  }

  snapshotFrame({ entries, end, cursor }: SnapshotFrame): void {
    // Without an answer before it: the server lost its place in the log and begins again.
    const seen = this.#snapshot ?? this.#beginSnapshot()
    this.isCurrent = false
    for (const entry of entries) {
      seen.add(entry.key)
      this.#put(entry, true)
    }
    if (!end) return
    this.#snapshot = undefined
    this.#cursor = cursor
    this.#isLoaded = true
    for (const [key, { entry }] of this.#held) {
      if (seen.has(key)) continue
      this.#remove({ type: 'delete', key, value: undefined, revision: entry.revision })
    }
    // Those without a value hear it too: a value store knows now that there is none.
    this.#becameCurrent()
  }

  changesFrame({ changes, cursor, current }: ChangesFrame): void {
    for (const change of changes) {
      this.#snapshot?.add(change.key)
      if (change.op === 'put') this.#put(entryOf(change), false)
      else this.#delete(change)
    }
    if (cursor !== undefined) this.#cursor = cursor
    if (current) this.#becameCurrent()
  }

  #reset(): void {
    this.#cursor = undefined
    this.#epoch++
    this.#tombstones.clear()
    const hadShown = this.#isLoaded || this.#held.size > 0
    this.#isLoaded = false
    if (hadShown) for (const subscriber of this.#everybody()) subscriber.reset()
  }

  /** Rule: snapshot-forgets-cursor. What is shown from now on is beyond what it says. */
  #beginSnapshot(): Set<string> {
    this.#cursor = undefined
    this.#snapshot = new Set()
    return this.#snapshot
  }

  #becameCurrent(): void {
    this.isCurrent = true
    for (const subscriber of this.#everybody()) subscriber.current()
  }

  #put(entry: Entry, initial: boolean): void {
    const { key, revision } = entry
    if (revision <= this.#shownRevision(key)) return
    this.#tombstones.delete(key)
    this.#held.set(key, { entry: Object.freeze(entry), epoch: this.#epoch })
    this.#tell(putOf(entry, initial))
  }

  #delete({ key, revision, at, time }: Change): void {
    if (revision <= this.#shownRevision(key)) return
    this.#remove({ type: 'delete', key, value: undefined, revision, updatedAt: at, time })
  }

  #remove(change: WatchDelete): void {
    const { key, revision } = change
    const held = this.#held.get(key)
    this.#held.delete(key)
    // Of a reset's leftovers the revision means nothing.
    if (held === undefined || held.epoch === this.#epoch) {
      this.#tombstones.delete(key)
      this.#tombstones.set(key, revision)
      if (this.#tombstones.size > MAX_TOMBSTONES) {
        this.#tombstones.delete(this.#tombstones.keys().next().value!)
      }
    }
    if (held) this.#tell(change)
  }

  #shownRevision(key: string): number {
    const held = this.#held.get(key)
    if (held) return held.epoch === this.#epoch ? held.entry.revision : 0
    return this.#tombstones.get(key) ?? 0
  }

  #tell(change: WatchChange): void {
    const { key } = change
    for (const subscriber of this.#byKey.get(key) ?? []) subscriber.change(change)
    for (const subscriber of this.#wide) if (subscriber.wants(key)) subscriber.change(change)
  }

  *#everybody(): Iterable<Subscriber> {
    for (const subscribers of this.#byKey.values()) yield* subscribers
    yield* this.#wide
  }
}

function putOf(entry: Entry, initial: boolean): WatchPut {
  return { type: 'put', ...entry, initial }
}

function entryOf({ key, value, revision, at, time }: Change & { op: 'put' }): Entry {
  return { key, value, revision, updatedAt: at, time }
}
