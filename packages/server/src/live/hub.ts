import type { Change, Store } from '../store/store.ts'
import { catchUp, deleteOf, LOG_READ_TIMEOUT_MS, LogPage } from './catch-up.ts'
import type { Feed } from './feed.ts'
import type { Tail } from './tail.ts'

/** Which keys somebody watches: what has to be read again when the log cannot tell what was missed. */
export interface Watched {
  keys(): Iterable<string>
  /** Prefixes watched as a whole; the empty one is everything. */
  prefixes(): Iterable<string>
  /** Keys that had a value as far as watchers of prefixes were told: those of them that are gone become deletes. */
  known(): Iterable<string>
}

export interface HubLog {
  warn(details: object, message: string): void
}

export interface HubOptions {
  store: Pick<Store, 'changesSince' | 'latestChanges' | 'head' | 'get' | 'list'>
  tail: Tail
  watched: Watched
  log: HubLog
  /** Age at which a gap is filled from the log. */
  gapMs?: number
  /** How often the log's head is asked for, whatever the bus says; more often after it could not be read. */
  pollMs?: number
  /** While this one has a problem, the head is asked for more often: nothing else tells of other instances' writes. */
  bus?: { readonly problem: string | null }
  /** A gap of more changes than this is jumped over where only single keys are watched. */
  maxGap?: number
}

const WARM_CHANGES = 5_000
const SOON_MS = 200

/**
 * Where every change of this instance comes together:
 *
 *   own commits, reads, gap fills -> accept, fill ─┬─> Tail (drop what is not news) -> listeners
 *   bus -> receive, as far as there is room ────────┘
 *
 * Delivers without waiting for gaps: order matters per key, not between keys. A gap that lasts is filled from
 * the log, and the log's head is polled, so that nothing depends on the bus. If the log is gone, the watched keys
 * are read again, and it goes on from there.
 */
export class Hub implements Feed {
  readonly tail: Tail
  readonly #options: Required<HubOptions>
  readonly #listeners = new Set<(changes: readonly Change[]) => void>()
  readonly #jumpListeners = new Set<() => void>()
  readonly #undelivered: Change[][] = []
  #delivering = false
  /** Highest revision known to be in the log. */
  #knownHead = 0
  #gapTimer: NodeJS.Timeout | undefined
  #pollTimer: NodeJS.Timeout | undefined
  #catchingUp: Promise<void> | undefined
  #failedBefore = false
  readonly #page = new LogPage()
  readonly #counts = { gapsFilled: 0, gapChanges: 0, jumps: 0 }
  #waiters: { revision: number; done: (reached: boolean) => void }[] = []
  #closed = false

  constructor(options: HubOptions) {
    this.tail = options.tail
    this.#options = { gapMs: 50, pollMs: 1_000, maxGap: 100_000, bus: { problem: null }, ...options }
  }

  /** Warms the Tail from the end of the log and begins to follow it. */
  async start(): Promise<void> {
    const { head, changes } = await this.#options.store.latestChanges(WARM_CHANGES)
    this.tail.warm(head, changes)
    this.#knownHead = head
    this.#schedulePoll()
  }

  get contiguous(): number {
    return this.tail.contiguous
  }

  /** Highest revision this instance has heard of. */
  get knownHead(): number {
    return this.#knownHead
  }

  /** It takes and delivers what it is given, and fetches nothing any more. */
  get isClosed(): boolean {
    return this.#closed
  }

  listen(onChanges: (changes: readonly Change[]) => void): () => void {
    this.#listeners.add(onChanges)
    return () => this.#listeners.delete(onChanges)
  }

  /** Called after changes were passed over without being delivered, except for the watched keys. */
  onJump(listener: () => void): () => void {
    this.#jumpListeners.add(listener)
    return () => this.#jumpListeners.delete(listener)
  }

  stats(): { gapsFilled: number; gapChanges: number; jumps: number } {
    return { ...this.#counts }
  }

  /** Takes changes from anywhere; when it returns they are in the Tail and on their way to the listeners. */
  accept(changes: readonly Change[]): void {
    this.#accept(changes)
  }

  /**
   * Takes changes that the log has as well. Those for which the Tail has no room are left to it: they are shown when
   * it has been read so far, by which the room is made.
   */
  receive(changes: readonly Change[]): void {
    this.#accept(changes, true)
  }

  /** Takes changes that were missed and have been read from the log. */
  fill(changes: readonly Change[]): void {
    const news = this.#accept(changes)
    if (news === 0) return
    this.#counts.gapsFilled++
    this.#counts.gapChanges += news
  }

  /** Returns how many were news. */
  #accept(changes: readonly Change[], mayComeAgain = false): number {
    const { tail } = this
    const news: Change[] = []
    for (const change of changes) {
      if (change.revision > this.#knownHead) this.#knownHead = change.revision
      if (mayComeAgain && tail.refuses(change)) continue
      if (tail.enter(change)) news.push(change)
    }
    this.#afterEntering(news)
    return news.length
  }

  /** What a read found of which nobody knows the own revision any more; see `Tail.enterAsOf`. */
  acceptAbsence(key: string, head: number): void {
    const absence: Change = { ...deleteOf(key, head), isAbsence: true }
    if (this.tail.enterAsOf(absence)) this.#afterEntering([absence])
  }

  /** Somebody read the log's head. */
  noteHead(head: number): void {
    if (head <= this.#knownHead) return
    this.#knownHead = head
    this.#watchGap()
  }

  /** Resolves true as soon as `contiguous` has reached the revision, false after `timeoutMs` or at the close. */
  whenReached(revision: number, timeoutMs: number): Promise<boolean> {
    if (this.contiguous >= revision) return Promise.resolve(true)
    if (this.#closed) return Promise.resolve(false)
    return new Promise((resolve) => {
      const done = (reached: boolean) => {
        clearTimeout(timer)
        this.#waiters = this.#waiters.filter((waiter) => waiter.done !== done)
        resolve(reached)
      }
      const timer = setTimeout(done, timeoutMs, false)
      this.#waiters.push({ revision, done })
    })
  }

  /** Reads what is missing from the log now. Never rejects: what failed is tried again by the poll. */
  catchUp(): Promise<void> {
    this.#catchingUp ??= this.#run().finally(() => {
      this.#catchingUp = undefined
      this.#watchGap()
    })
    return this.#catchingUp
  }

  /** The watched keys are read as of `head` or later: what lies before it is done with. */
  jump(head: number): void {
    this.#counts.jumps++
    this.noteHead(head)
    this.tail.jump(head)
    this.#wakeWaiters()
    for (const listener of this.#jumpListeners) listener()
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#gapTimer)
    clearTimeout(this.#pollTimer)
    for (const waiter of this.#waiters) waiter.done(false)
    await this.#catchingUp
  }

  #afterEntering(news: Change[]): void {
    if (this.#waiters.length > 0) this.#wakeWaiters()
    if (this.#knownHead > this.tail.contiguous) this.#watchGap()
    if (news.length > 0) this.#deliver(news)
  }

  /** A listener may cause further changes: they wait, or a later listener would get them before the earlier ones. */
  #deliver(news: Change[]): void {
    this.#undelivered.push(news)
    if (this.#delivering) return
    this.#delivering = true
    for (let changes = this.#undelivered.shift(); changes; changes = this.#undelivered.shift()) {
      for (const listener of this.#listeners) {
        try {
          listener(changes)
        } catch (error) {
          this.#options.log.warn({ err: error }, 'a listener of the live feed failed')
        }
      }
    }
    this.#delivering = false
  }

  #wakeWaiters(): void {
    for (const waiter of this.#waiters) if (waiter.revision <= this.contiguous) waiter.done(true)
  }

  #watchGap(): void {
    if (this.#gapTimer || this.#catchingUp || this.#closed || this.#knownHead <= this.contiguous) return
    const from = this.contiguous
    this.#gapTimer = setTimeout(() => {
      this.#gapTimer = undefined
      if (this.contiguous === from) void this.catchUp()
      else this.#watchGap()
    }, this.#options.gapMs)
  }

  /** Rule: poll-head. */
  #schedulePoll(): void {
    if (this.#closed) return
    const { bus, pollMs } = this.#options
    const waitMs = bus.problem === null && !this.#failedBefore ? pollMs : Math.min(pollMs, SOON_MS)
    this.#pollTimer = setTimeout(async () => {
      try {
        this.noteHead(await this.#options.store.head(this.contiguous, LOG_READ_TIMEOUT_MS))
        if (this.contiguous >= this.#knownHead) this.#failedBefore = false
      } catch (error) {
        this.#reportFailure(error)
      }
      this.#schedulePoll()
    }, waitMs)
  }

  async #run(): Promise<void> {
    try {
      await catchUp(this, { ...this.#options, page: this.#page })
      this.#failedBefore = false
    } catch (error) {
      this.#reportFailure(error)
    }
  }

  #reportFailure(error: unknown): void {
    if (!this.#failedBefore && !this.#closed) {
      this.#options.log.warn({ err: error }, 'the log could not be read; trying again')
    }
    this.#failedBefore = true
  }
}
