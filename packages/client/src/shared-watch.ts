import type { Change, ChangesFrame, Entry, SnapshotFrame, WatchAnswer } from '@livekv/protocol'
import type { LiveKVError } from './error.ts'
import type { Part } from './selection.ts'
import type { WatchChange, WatchPut } from './watch-event.ts'

/** What looks at a shared watch: at all that it shows, or at a part of it. */
export interface Subscriber {
  readonly part: Part
  change(change: WatchChange): void
  reset(): void
  current(): void
  failed(error: LiveKVError): void
}

/** Revisions of deleted keys, kept so that an older put does not bring one back; the oldest go first. */
const MAX_TOMBSTONES = 10_000

interface Held {
  entry: Entry
  /** Which store state its revision belongs to: raised at each reset. */
  epoch: number
}

/**
 * One watch on the server, and everybody here who looks at it.
 *
 * answer (reset? resumed?) -> snapshot frames … end | changes … current -> changes …    again after each connection,
 * and at any time a snapshot again
 *
 * Of each key only what is not older than what was shown goes on. A snapshot removes what it does not contain. After
 * a reset nothing that was known counts: revisions of another store say nothing about those of this one.
 */
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

  /** `from`: a wider watch that has shown this part of it up to now. */
  constructor(part: Part, from?: SharedWatch) {
    this.part = part
    if (!from) return
    this.#isLoaded = from.#isLoaded
    this.#storeId = from.#storeId
    this.#epoch = from.#epoch
    for (const [key, held] of from.#held) if (part.wants(key)) this.#held.set(key, held)
    for (const [key, revision] of from.#tombstones) if (part.wants(key)) this.#tombstones.set(key, revision)
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
      this.#join(subscriber)
      this.tellState(subscriber)
      if (this.isCurrent) subscriber.current()
    })
  }

  /** A subscriber of the watch that this one was made from: it goes on with what it was told there. */
  adopt(subscriber: Subscriber, from: SharedWatch): void {
    const isNew = from.#new.has(subscriber)
    from.unsubscribe(subscriber)
    if (isNew) this.subscribe(subscriber)
    else this.#join(subscriber)
  }

  unsubscribe(subscriber: Subscriber): void {
    this.#new.delete(subscriber)
    this.#wide.delete(subscriber)
    const key = subscriber.part.onlyKey
    const ofKey = key === undefined ? undefined : this.#byKey.get(key)
    if (ofKey?.delete(subscriber) && ofKey.size === 0) this.#byKey.delete(key!)
  }

  /** All that is known, except what a reset has left over. Nothing to one that will be told in a moment. */
  tellState(subscriber: Subscriber): void {
    if (this.#new.has(subscriber)) return
    const { onlyKey, wants } = subscriber.part
    for (const held of onlyKey === undefined ? this.#held.values() : [this.#held.get(onlyKey)]) {
      if (held?.epoch === this.#epoch && wants(held.entry.key)) subscriber.change(putOf(held.entry, true))
    }
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

  answered({ reset, resumed, storeId }: WatchAnswer): void {
    // Rule: answer-names-store.
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
    // Rule: end-spares-changed.
    for (const [key, held] of this.#held) if (!seen.has(key)) this.#gone(held)
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

  #join(subscriber: Subscriber): void {
    const { onlyKey } = subscriber.part
    if (onlyKey === undefined) {
      this.#wide.add(subscriber)
      return
    }
    const others = this.#byKey.get(onlyKey)
    if (others) others.add(subscriber)
    else this.#byKey.set(onlyKey, new Set([subscriber]))
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
    const wasHeld = this.#held.delete(key)
    this.#bury(key, revision)
    if (wasHeld) this.#tell({ type: 'delete', key, value: undefined, revision, updatedAt: at, time })
  }

  /** A snapshot does not have it: when it was deleted is not known. */
  #gone({ entry: { key, revision }, epoch }: Held): void {
    this.#held.delete(key)
    const isLeftover = epoch !== this.#epoch
    // The entry itself is let in again: no delete of it was seen.
    if (!isLeftover) this.#bury(key, revision - 1)
    this.#tell({ type: 'delete', key, value: undefined, revision: isLeftover ? 0 : revision })
  }

  #bury(key: string, revision: number): void {
    this.#tombstones.delete(key)
    this.#tombstones.set(key, revision)
    if (this.#tombstones.size > MAX_TOMBSTONES) this.#tombstones.delete(this.#tombstones.keys().next().value!)
  }

  /** Rules: client-drops-older, reset-drops-held. */
  #shownRevision(key: string): number {
    const held = this.#held.get(key)
    if (held) return held.epoch === this.#epoch ? held.entry.revision : 0
    return this.#tombstones.get(key) ?? 0
  }

  #tell(change: WatchChange): void {
    const { key } = change
    for (const subscriber of this.#byKey.get(key) ?? []) subscriber.change(change)
    for (const subscriber of this.#wide) if (subscriber.part.wants(key)) subscriber.change(change)
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
