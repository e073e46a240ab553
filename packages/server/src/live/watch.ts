/**
 * One watch: a selection of keys, from its snapshot on.
 *
 *   join the audience -> position (`low` = contiguous) ─┬─> snapshot: page read -> contiguous ≥ its head -> frames ─┐
 *                                                       │       └──────────── while there is more ────────────────┤
 *                                                       └─> resume: what changed since the cursor ─────────────────┴─> live
 *
 * What arrives meanwhile is held, the newest per key. A page that is complete up to head H drops what is held of its
 * keys up to H (the page has it, or something newer) and lets go of what is above. That `contiguous` has reached H
 * means that nothing up to H can arrive afterwards: so no key goes backwards, and no deleted one comes back.
 *
 * Sending is left to the socket: it calls `next` while it can be written. What it has not fetched is at most one page
 * of a snapshot and one change per key.
 */
import { type ErrorBody, FRAME_MAX_BYTES, LiveKVError } from '@livekv/protocol'
import type { Change } from '../store/store.ts'
import type { CursorCodec, Position } from './cursor.ts'
import { EncodedPacket } from './packets.ts'
import { reach } from './reach.ts'
import { type ResumeSources, resume } from './resume.ts'
import type { Selection } from './selection.ts'
import { frameTexts, type Page, Snapshot, type SnapshotSources } from './snapshot.ts'
import type { WatchAudience } from './watch-audience.ts'
import { WireChange } from './wire-change.ts'

const RETRY_MS = 1_000

export interface WatchSources extends SnapshotSources, ResumeSources {
  store: SnapshotSources['store'] & ResumeSources['store']
  audience: WatchAudience<Watch>
  maxKeys: number
  warn(details: object, message: string): void
  /** So many entries or changes were given to the socket. */
  onGiven?(count: number): void
}

/** The socket of a watch. */
export interface WatchOutlet {
  /** `next` has something to give. */
  wake(watch: Watch): void
  /**
   * Resolves when the watch may read a page, or what has changed in the log: one watch of a socket at a time. It says
   * `pageDone` when that is sent.
   */
  pageTurn(): Promise<void>
  pageDone(): void
  /** The watch cannot go on. */
  fail(watch: Watch, error: ErrorBody): void
}

export interface Started {
  reset: boolean
  resumed: boolean
}

type Phase = 'joining' | 'resuming' | 'snapshot' | 'live' | 'ended'

export class Watch {
  readonly id: string
  readonly selection: Selection
  readonly #codec: CursorCodec
  readonly #sources: WatchSources
  readonly #outlet: WatchOutlet
  #phase: Phase = 'joining'
  /** Of a snapshot under way: keys up to here are in frames. */
  #framedThrough: string | undefined
  /** To be sent; and to be held until the key's page is in frames. */
  readonly #pending = new Map<string, WireChange>()
  readonly #held = new Map<string, WireChange>()
  #frames: EncodedPacket[] = []
  /** Called when what was read has been given to the socket: a page's frames, or the changes of a resume. */
  #onTaken: (() => void) | undefined
  /** Nothing in `#pending` or `#held` is below it, and it is exact now and then. */
  #lowestWaiting = Number.POSITIVE_INFINITY
  #sentSinceExact = 0
  /** Highest revision given to the socket, or head of a snapshot. */
  #high = 0
  #sentLow = 0
  #wantsCursor = false
  /** So many changes of the resume are still to be sent; -1: none is under way. */
  #resumeLeft = -1
  /** The Hub has jumped: what was deleted meanwhile can be learned from a new snapshot only. */
  #lostItsPlace = false
  #isReading = false

  constructor(
    id: string,
    selection: Selection,
    codec: CursorCodec,
    sources: WatchSources,
    outlet: WatchOutlet,
  ) {
    this.id = id
    this.selection = selection
    this.#codec = codec
    this.#sources = sources
    this.#outlet = outlet
  }

  get waiting(): number {
    return this.#pending.size + this.#held.size
  }

  /** Joins; resolves with what is to be said before anything else is sent, and then goes on by itself. */
  async start(since: Position | 'reset' | undefined, answer: (started: Started) => void): Promise<void> {
    // Rule: join-first.
    this.#sources.audience.join(this)
    // Rule: other-store-resets.
    let reset = since === 'reset'
    if (typeof since === 'object') {
      const outcome = await this.#resume(since, answer)
      if (outcome === 'resumed') return
      reset = outcome === 'reset'
    }
    answer({ reset, resumed: false })
    await this.#giveSnapshot()
  }

  end(): void {
    this.#phase = 'ended'
    this.#sources.audience.leave(this)
    this.#pending.clear()
    this.#held.clear()
    this.#frames = []
    this.#onTaken?.()
  }

  offer(change: WireChange): void {
    const isHeld = this.#phase !== 'live' && this.#isAhead(change.key)
    const waiting = isHeld ? this.#held : this.#pending
    const present = waiting.get(change.key)
    if (present && present.revision >= change.revision) return
    waiting.set(change.key, change)
    if (change.lowest < this.#lowestWaiting) this.#lowestWaiting = change.lowest
    if (!present && this.waiting > this.#sources.maxKeys) this.#fail(tooLarge(this.#sources.maxKeys))
    else if (!isHeld) this.#outlet.wake(this)
  }

  /**
   * After the Hub has jumped, which tells of the keys that are watched by name and not what was deleted among others.
   * Rule: jump-snapshots-again.
   */
  noteJump(): void {
    if (this.selection.keys || this.#phase === 'ended') return
    this.#lostItsPlace = true
    if (this.#phase !== 'live') return
    this.#beginSnapshot()
    if (!this.#isReading) void this.#giveSnapshot()
  }

  /** The client is to get a fresh cursor if it holds an old one, so that a resume from it stays short. */
  refreshCursor(): void {
    if (this.#phase !== 'live' || this.#sources.hub.contiguous <= this.#sentLow) return
    this.#wantsCursor = true
    this.#outlet.wake(this)
  }

  /** The next packet for the client, of about `maxBytes` at most; undefined: nothing now. */
  next(maxBytes: number): EncodedPacket | undefined {
    const frame = this.#frames.shift()
    if (frame) {
      if (this.#frames.length === 0) this.#onTaken?.()
      return frame
    }
    if (this.#pending.size === 0 && !this.#wantsCursor && this.#resumeLeft !== 0) return undefined
    const texts = this.#take(Math.min(maxBytes, FRAME_MAX_BYTES))
    let end = ''
    if (this.#phase === 'live') {
      end = `,"cursor":"${this.#cursor()}"`
      if (this.#resumeLeft === 0) {
        end += ',"current":true'
        this.#resumeLeft = -1
        this.#onTaken?.()
      }
      this.#wantsCursor = false
    }
    return EncodedPacket.event(
      'changes',
      `{"watch":${JSON.stringify(this.id)},"changes":[${texts.join(',')}]${end}}`,
    )
  }

  get isOver(): boolean {
    return this.#phase === 'ended'
  }

  #take(maxBytes: number): string[] {
    const texts: string[] = []
    let size = 0
    for (const [key, change] of this.#pending) {
      if (size >= maxBytes) break
      this.#pending.delete(key)
      this.#sentSinceExact++
      if (this.#resumeLeft > 0) this.#resumeLeft--
      // Rule: high-is-delivered.
      if (change.revision > this.#high) this.#high = change.revision
      texts.push(change.text)
      size += change.bytes + 1
    }
    this.#sources.onGiven?.(texts.length)
    return texts
  }

  /** Call it when what it covers has been taken. Rules: cursor-after-changes, low-from-contiguous, low-below-pending. */
  #cursor(): string {
    if (this.waiting === 0) this.#lowestWaiting = Number.POSITIVE_INFINITY
    else if (this.#sentSinceExact >= this.waiting) {
      this.#sentSinceExact = 0
      this.#lowestWaiting = Number.POSITIVE_INFINITY
      for (const { lowest } of this.#pending.values()) {
        if (lowest < this.#lowestWaiting) this.#lowestWaiting = lowest
      }
    }
    this.#sentLow = Math.min(this.#sources.hub.contiguous, this.#lowestWaiting - 1)
    return this.#codec.encode({ low: this.#sentLow, high: this.#high })
  }

  /** If not `resumed`, the watch is to get a snapshot. */
  async #resume(
    since: Position,
    answer: (started: Started) => void,
  ): Promise<'resumed' | 'reset' | 'shorter'> {
    this.#phase = 'resuming'
    let hasTurn = false
    const turn = async () => {
      await this.#outlet.pageTurn()
      hasTurn = true
    }
    try {
      const resumed = await resume(this.selection, since, this.#sources, { isOver: () => this.isOver, turn })
      if ('snapshot' in resumed) return resumed.snapshot
      if (this.#lostItsPlace) return 'shorter'
      answer({ reset: false, resumed: true })
      if (this.isOver) return 'resumed'
      this.#goOn(since, resumed.changes)
      if (hasTurn) await this.#whenTaken()
      return 'resumed'
    } finally {
      if (hasTurn) this.#outlet.pageDone()
    }
  }

  #goOn({ high }: Position, changes: readonly Change[]): void {
    // Rule: high-from-cursor.
    this.#high = high
    this.#framedThrough = undefined
    for (const change of changes) {
      const held = this.#held.get(change.key)
      if (held && held.revision >= change.revision) continue
      const waiting = new WireChange(change)
      this.#held.set(change.key, waiting)
      if (waiting.lowest < this.#lowestWaiting) this.#lowestWaiting = waiting.lowest
    }
    this.#phase = 'live'
    this.#release()
    this.#resumeLeft = this.#pending.size
    this.#outlet.wake(this)
  }

  async #giveSnapshot(): Promise<void> {
    this.#isReading = true
    do {
      if (this.isOver) return
      const low = this.#beginSnapshot()
      this.#lostItsPlace = false
      const snapshot = new Snapshot(this.selection, this.#sources)
      let count = 0
      for (let through: string | undefined = ''; through !== undefined; ) {
        await this.#outlet.pageTurn()
        try {
          const page: Page | undefined = await this.#readPage(snapshot)
          if (this.isOver || !page) return
          count += page.entries.length
          if (count > this.#sources.maxKeys) {
            this.#fail(tooLarge(this.#sources.maxKeys))
            return
          }
          through = page.through
          this.#frame(page, low)
          if (this.#frames.length > 0) await this.#whenTaken()
          if (this.isOver) return
        } finally {
          this.#outlet.pageDone()
        }
      }
    } while (this.#lostItsPlace)
    this.#isReading = false
  }

  /** Returns the `low` of the snapshot's cursor. */
  #beginSnapshot(): number {
    this.#phase = 'snapshot'
    this.#framedThrough = undefined
    this.#wantsCursor = false
    if (this.#resumeLeft >= 0) {
      this.#resumeLeft = -1
      this.#onTaken?.()
    }
    // They would follow entries that are newer.
    for (const [key, change] of this.#pending) {
      const held = this.#held.get(key)
      if (!held || held.revision < change.revision) this.#held.set(key, change)
    }
    this.#pending.clear()
    return this.#sources.hub.contiguous
  }

  /** Undefined: the watch is over, or the Hub. */
  async #readPage(snapshot: Snapshot): Promise<Page | undefined> {
    const { hub, warn } = this.#sources
    for (let failed = false; !this.isOver && !hub.isClosed; failed = true) {
      try {
        const page = await snapshot.nextPage()
        // Rule: wait-for-head.
        if (await reach(hub, page.head, () => this.isOver)) return page
      } catch (error) {
        if (!failed) warn({ err: error }, 'a snapshot could not be read; trying again')
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS).unref())
      }
    }
    return undefined
  }

  /** In one tick: from now on the page's keys are live. */
  #frame({ entries, asOf, head, through }: Page, low: number): void {
    const isEnd = through === undefined
    // Rule: high-from-snapshot.
    if (head > this.#high) this.#high = head
    const texts = frameTexts(entries, isEnd)
    const start = `{"watch":${JSON.stringify(this.id)},"entries":[`
    for (const [at, text] of texts.entries()) {
      const end =
        isEnd && at === texts.length - 1
          ? `],"end":true,"cursor":"${this.#codec.encode({ low, high: this.#high })}"}`
          : '],"end":false}'
      this.#frames.push(EncodedPacket.event('snapshot', start + text + end))
    }
    this.#sources.onGiven?.(entries.length)
    this.#framedThrough = through
    // Else there is no position to tell, and another snapshot follows.
    if (isEnd && !this.#lostItsPlace) this.#phase = 'live'
    this.#release(asOf)
    this.#outlet.wake(this)
  }

  /**
   * What is held of keys that are in frames now is dropped up to `asOf`, or else to be sent. Rules: change-after-page,
   * release-above-page.
   */
  #release(asOf?: (key: string) => number): void {
    for (const [key, change] of this.#held) {
      if (this.#phase !== 'live' && this.#isAhead(key)) continue
      this.#held.delete(key)
      if (asOf === undefined || change.revision > asOf(key)) this.#pending.set(key, change)
    }
  }

  #isAhead(key: string): boolean {
    return this.#framedThrough === undefined || this.selection.isBehind(key, this.#framedThrough)
  }

  #whenTaken(): Promise<void> {
    return new Promise((resolve) => {
      this.#onTaken = () => {
        this.#onTaken = undefined
        resolve()
      }
    })
  }

  #fail(error: LiveKVError): void {
    this.end()
    this.#outlet.fail(this, error.toBody())
  }
}

function tooLarge(maxKeys: number): LiveKVError {
  return new LiveKVError(
    'SELECTION_TOO_LARGE',
    `The watch selects more than ${maxKeys} keys: watch a longer prefix, or fewer keys.`,
    { limit: maxKeys },
  )
}
