import type { Change } from '../store/store.ts'
import { RecencyList } from './recency-list.ts'

interface Node {
  key: string
  revision: number
  /** Undefined once its value was dropped for memory; the revision still counts. */
  change: Change | undefined
  newer: Node | undefined
  older: Node | undefined
}

/** What one entry weighs besides the characters of its value. */
const VALUE_OVERHEAD = 100
/** How many entries that must stay are skipped in search of one that may go. */
const EVICTION_SCAN = 64
/** Keys read as absent that are remembered one by one. */
const MAX_ABSENT = 10_000
/** As many revisions above a gap are remembered at least: they weigh little, and each need not be read again. */
const MIN_PENDING = 10_000

/**
 * What this instance knows of the end of the log, bounded in entries and in characters of values. Above the bound are
 * only what it wrote and read itself while a gap was open, and for as long as a re-read takes what that found.
 *
 * Guarantees, with `floor ≤ contiguous`:
 * - every change up to `contiguous` has been seen here (or was overtaken by a re-read at that head);
 * - a key that changed in (`floor`, `contiguous`] is in it with its latest such revision or a higher one.
 *
 * So an item "latest as of `asOf`" is still the latest up to `contiguous` exactly when `asOf ≥ floor` and the
 * Tail has no revision of the key above `asOf` (`believes`).
 */
export class Tail {
  /** Nothing is known of keys whose last change is at or below it. */
  floor = 0
  contiguous = 0
  readonly #maxEntries: number
  readonly #maxBytes: number
  readonly #maxPending: number
  readonly #nodes = new Map<string, Node>()
  readonly #order = new RecencyList<Node>()
  /**
   * Revisions above `contiguous` that were seen. Rule: own-seen-set. Not derived from the nodes: those keep
   * only the latest per key. What it has no room for has to be brought by the log once more.
   */
  readonly #seen = new Set<number>()
  /** Every node older than it has lost its value. */
  #oldestValue: Node | undefined
  #bytes = 0
  /** Keys read as absent at a head above `contiguous`, with no delete in the log that could stand here instead. */
  readonly #absentAsOf = new Map<string, number>()
  readonly #maxAbsent: number
  /** The highest head at which any key was read so. */
  #highestAbsent = 0
  /** Up to that head, any key may have been read so: it is no longer known which. */
  #absentFloor = 0

  constructor(limits: { maxEntries: number; maxBytes: number; maxAbsent?: number; maxPending?: number }) {
    this.#maxEntries = limits.maxEntries
    this.#maxPending = limits.maxPending ?? Math.max(limits.maxEntries, MIN_PENDING)
    this.#maxBytes = limits.maxBytes
    this.#maxAbsent = limits.maxAbsent ?? MAX_ABSENT
  }

  get size(): number {
    return this.#nodes.size
  }

  /** Seen revisions waiting for a missing one below them. */
  get pending(): number {
    return this.#seen.size
  }

  get bytes(): number {
    return this.#bytes
  }

  /**
   * Start from the end of the log (Rule: warm-head-first): `newestFirst` without gaps down from `head`, read
   * in one statement with it.
   */
  warm(head: number, newestFirst: readonly Change[]): void {
    this.floor = (newestFirst.at(-1)?.revision ?? head + 1) - 1
    this.contiguous = this.floor
    for (const change of newestFirst.toReversed()) this.enter(change)
    this.contiguous = Math.max(this.contiguous, head)
  }

  /**
   * Rule: drop-older. Takes a change from whatever source, in any order and any number of times. True: it is
   * news, a watcher of the
   * key must get it. What is at or below `contiguous`, or not above the key's revision here, is not.
   */
  enter(change: Change): boolean {
    const { revision } = change
    if (revision <= this.contiguous) return false
    if (revision === this.contiguous + 1) {
      this.contiguous = revision
      this.#advance()
    } else if (this.#seen.size < this.#maxPending) {
      this.#seen.add(revision)
    }
    return this.#keep(change)
  }

  /**
   * Rule: full-takes-nothing. Whether there is no room for the change: the gap below it is so large that all that is here
   * must stay. Ask it of what the log gives again, and do not enter it then. A key that is here already, and the next
   * revision in turn, always have room.
   */
  refuses({ key, revision }: Change): boolean {
    // More than may be: none of them could go.
    const isFull = this.#nodes.size > this.#maxEntries
    return isFull && revision > this.contiguous + 1 && !this.#nodes.has(key)
  }

  /**
   * Takes a state whose `revision` is the head it was read at and not that of the change behind it (a delete that
   * the log no longer holds): it orders the key, and says nothing about which revisions were seen.
   */
  enterAsOf(change: Change): boolean {
    return change.revision > this.contiguous && this.#keep(change)
  }

  /** The key's latest change, where the Tail alone can answer for it (Rule: tail-answers-above-floor). */
  get(key: string): Change | undefined {
    const node = this.#nodes.get(key)
    if (node === undefined || node.revision <= this.floor) return undefined
    if (this.#highestAbsent > this.contiguous && node.revision < this.#absentSince(key)) return undefined
    return node.change
  }

  /** The highest revision of the key in the Tail; 0: none. */
  revisionOf(key: string): number {
    return this.#nodes.get(key)?.revision ?? 0
  }

  /**
   * Whether "the latest as of `asOf`" is still the latest up to `contiguous` (Rules: believe-from-floor,
   * believe-unless-newer).
   */
  believes(key: string, asOf: number): boolean {
    if (asOf < this.floor || this.revisionOf(key) > asOf) return false
    return this.#highestAbsent <= this.contiguous || this.#absentSince(key) <= asOf
  }

  /**
   * Rule: absence-is-remembered. A read at head `asOf` found no value and no delete: nothing older is believed of the
   * key until `contiguous` has come that far. It is not news for watchers: most such keys were never written.
   */
  noteAbsent(key: string, asOf: number): void {
    if (asOf <= this.contiguous) return
    if (this.#absentAsOf.size >= this.#maxAbsent && !this.#absentAsOf.has(key)) this.#forgetAbsent()
    this.#absentAsOf.set(key, Math.max(asOf, this.#absentAsOf.get(key) ?? 0))
    this.#highestAbsent = Math.max(this.#highestAbsent, asOf)
  }

  /**
   * Rule: jump-raises-floor. Goes on from a snapshot read at `head`: what came before is known only to those
   * who read at or after it.
   */
  jump(head: number): void {
    this.floor = Math.max(this.floor, head)
    if (head > this.contiguous) {
      this.contiguous = head
      for (const revision of this.#seen) if (revision <= head) this.#seen.delete(revision)
      this.#advance()
    }
    this.#trim()
  }

  /** Keys with a revision above it: all that changed since then, where `floor` is not above it. */
  *keysSince(revision: number): Iterable<string> {
    for (let node = this.#order.newest; node; node = node.older) if (node.revision > revision) yield node.key
  }

  *keys(): Iterable<string> {
    for (let node = this.#order.newest; node; node = node.older) yield node.key
  }

  #keep(change: Change): boolean {
    let node = this.#nodes.get(change.key)
    if (node) {
      if (node.revision >= change.revision) return false
      this.#forgetValue(node)
      if (this.#oldestValue === node) this.#oldestValue = node.newer
      node.revision = change.revision
      node.change = change
      this.#order.moveToNewest(node)
    } else {
      node = { key: change.key, revision: change.revision, change, newer: undefined, older: undefined }
      this.#nodes.set(change.key, node)
      this.#order.addNewest(node)
    }
    this.#oldestValue ??= node
    this.#bytes += weigh(change)
    this.#trim()
    return true
  }

  /** Nothing older is to be believed of the key. What `contiguous` has passed harms nothing: the Tail itself knows it. */
  #absentSince(key: string): number {
    const floor = this.#absentFloor > this.contiguous ? this.#absentFloor : 0
    return Math.max(floor, this.#absentAsOf.get(key) ?? 0)
  }

  /**
   * Those that `contiguous` has passed say nothing any more. If the others are too many, all keys count as read as
   * absent at the highest of their heads until `contiguous` is there: only what was read at it or later is believed,
   * and the store's next answer always is.
   */
  #forgetAbsent(): void {
    for (const [key, asOf] of this.#absentAsOf) if (asOf <= this.contiguous) this.#absentAsOf.delete(key)
    if (this.#absentAsOf.size <= this.#maxAbsent / 2) return
    this.#absentFloor = this.#highestAbsent
    this.#absentAsOf.clear()
  }

  #advance(): void {
    if (this.#seen.size === 0) return
    while (this.#seen.delete(this.contiguous + 1)) this.contiguous++
  }

  #trim(): void {
    while (this.#nodes.size > this.#maxEntries && this.#evict()) {}
    while (this.#bytes > this.#maxBytes && this.#oldestValue) {
      const node = this.#oldestValue
      this.#oldestValue = node.newer
      this.#forgetValue(node)
    }
  }

  /**
   * Rule: evict-raises-floor. The longest unchanged key goes and the floor rises to its revision, so that
   * nothing
   * older is believed of it. Rule: keep-above-contiguous. A revision above `contiguous` stays: raising the
   * floor over a gap would forget the changes in the gap.
   */
  #evict(): boolean {
    const node = this.#evictable()
    if (!node) return false
    this.floor = Math.max(this.floor, node.revision)
    this.#forgetValue(node)
    if (this.#oldestValue === node) this.#oldestValue = node.newer
    this.#order.remove(node)
    this.#nodes.delete(node.key)
    return true
  }

  #evictable(): Node | undefined {
    let node = this.#order.oldest
    for (let i = 0; node && i < EVICTION_SCAN; i++, node = node.newer) {
      if (node.revision <= this.contiguous) return node
    }
    // What the log brings while all that was there before must stay: it goes as it comes.
    const { newest } = this.#order
    return newest && newest.revision <= this.contiguous ? newest : undefined
  }

  #forgetValue(node: Node): void {
    if (!node.change) return
    this.#bytes -= weigh(node.change)
    node.change = undefined
  }
}

function weigh(change: Change): number {
  return VALUE_OVERHEAD + (change.json?.length ?? 0)
}
