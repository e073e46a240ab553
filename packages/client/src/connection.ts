import type { ChangesFrame, ErrorBody, SnapshotFrame } from '@livekv/protocol'
import { Clock } from './clock.ts'
import type { ConnectionState } from './connection-state.ts'
import type { JsonCodec } from './json-codec.ts'
import { Link, LinkLost } from './link.ts'
import { onPageSignals } from './page-signals.ts'

/**
 * connect -> up (watches and writes go out again) -> frames … -> lost -> wait (longer each time, random) -> connect …
 *
 * A link that was silent for a while is asked for a sign of life; without one it is dropped and a new one made. So
 * a dead link is known within SILENCE + TICK + PROBE = 8.5 s, whatever the network does with its packets.
 */
const TICK_MS = 500
const SILENCE_MS = 4_000
const PROBE_TIMEOUT_MS = 4_000
/** After a probe's time is up: what had arrived while this program was busy is read first. */
const LAST_LOOK_MS = 100
/** A timer this late means that the device slept or the program stood still. */
const JUMP_MS = 3_000
/** After this much unexplained silence nothing is called live before the server has answered. */
const UNVERIFIED_MS = 10_000
const CLOCK_SAMPLE_MS = 60_000
const RETRY_MIN_MS = 250
const RETRY_MAX_MS = 5_000
/** A connection that lasted this long was a good one: the next wait is short again. */
const GOOD_LINK_MS = 5_000

export interface ConnectionHandlers {
  up(link: Link): void
  down(): void
  snapshot(frame: SnapshotFrame): void
  changes(frame: ChangesFrame): void
  watchEnded(name: string, error: ErrorBody): void
  /** Whether everything that is watched is up to date. */
  isCurrent(): boolean
  stateChanged(state: ConnectionState): void
}

export class Connection {
  readonly clock = new Clock()
  readonly #url: URL
  readonly #json: JsonCodec
  readonly #handlers: ConnectionHandlers
  readonly #stopSignals: () => void
  readonly #ticking: ReturnType<typeof setInterval>
  #link: Link | undefined
  #state: ConnectionState = { name: 'catching-up', since: Date.now() }
  /** No link, but for no bad reason: the first one is being made, or the instance asked us to move. */
  #excused = true
  #unverified = false
  #probing: Link | undefined
  #failures = 0
  #retrying: ReturnType<typeof setTimeout> | undefined
  #moving: ReturnType<typeof setTimeout> | undefined
  #triedMs = 0
  #upMs = 0
  #tickMs = Date.now()
  #tickedAt = performance.now()
  #closed = false

  constructor(url: URL, json: JsonCodec, handlers: ConnectionHandlers) {
    this.#url = url
    this.#json = json
    this.#handlers = handlers
    this.#stopSignals = onPageSignals(() => this.#check())
    this.#ticking = setInterval(() => this.#tick(), TICK_MS)
    // The handlers belong to a client that is still being made.
    this.#retrying = setTimeout(() => this.#connect(), 0)
  }

  get state(): ConnectionState {
    return this.#state
  }

  /** The link if it is connected. */
  get link(): Link | undefined {
    return this.#link?.connected ? this.#link : undefined
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    clearInterval(this.#ticking)
    clearTimeout(this.#retrying)
    clearTimeout(this.#moving)
    this.#stopSignals()
    this.#link?.drop()
    this.#link = undefined
    this.#show('offline', Date.now(), 'the client was closed')
  }

  /** Works the state out again; called whenever something it depends on has changed. */
  evaluate(reason?: string, since = Date.now()): void {
    if (this.#closed) return
    if (this.link && !this.#unverified && this.#handlers.isCurrent()) this.#show('live', since)
    else if (this.link || this.#excused) this.#show('catching-up', since)
    else this.#show('offline', since, reason)
  }

  #show(name: ConnectionState['name'], since: number, reason?: string): void {
    if (name === this.#state.name && (reason === undefined || reason === this.#state.reason)) return
    this.#state = Object.freeze({
      name,
      since: name === this.#state.name ? this.#state.since : since,
      ...(reason !== undefined && { reason }),
    })
    this.#handlers.stateChanged(this.#state)
  }

  #connect(): void {
    clearTimeout(this.#retrying)
    clearTimeout(this.#moving)
    this.#retrying = undefined
    this.#moving = undefined
    if (this.#closed) return
    this.#triedMs = performance.now()
    const link = new Link(this.#url, this.#json, this.#failures % 3 === 2, {
      connected: () => {
        this.#upMs = performance.now()
        this.#excused = false
        this.#unverified = false
        this.#probe()
        this.#handlers.up(link)
        this.evaluate()
      },
      snapshot: (frame) => this.#handlers.snapshot(frame),
      changes: (frame) => this.#handlers.changes(frame),
      watchEnded: (name, error) => this.#handlers.watchEnded(name, error),
      goingAway: (withinMs) => this.#moveWithin(withinMs),
      ended: (reason) => this.#lost(reason, Date.now()),
    })
    this.#link = link
  }

  #lost(reason: string, sinceMs: number): void {
    const wasUp = this.#upMs > 0
    if (wasUp && performance.now() - this.#upMs > GOOD_LINK_MS) this.#failures = 0
    this.#dropLink()
    // It has said that it would end: the time to move stands.
    this.#excused = this.#moving !== undefined
    if (this.#excused) {
      this.evaluate()
      return
    }
    const limitMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** this.#failures)
    this.#failures++
    this.#retrying = setTimeout(() => this.#connect(), limitMs * (0.5 + Math.random() / 2))
    this.evaluate(reason, sinceMs)
  }

  #dropLink(): void {
    this.#link?.drop()
    this.#link = undefined
    this.#upMs = 0
    this.#unverified = false
    this.#handlers.down()
  }

  /** The instance is stopping: leave at a random moment, so that not all of its clients arrive elsewhere at once. */
  #moveWithin(withinMs: number): void {
    clearTimeout(this.#moving)
    this.#moving = setTimeout(() => {
      this.#excused = true
      this.#dropLink()
      this.#connect()
      this.evaluate()
    }, Math.random() * withinMs)
  }

  #tick(): void {
    const [nowMs, at] = [Date.now(), performance.now()]
    const [wallMs, steadyMs] = [nowMs - this.#tickMs, at - this.#tickedAt]
    this.#tickMs = nowMs
    this.#tickedAt = at
    if (Math.abs(wallMs - steadyMs) > 1_000) this.clock.forget()
    const link = this.link
    if (wallMs > JUMP_MS || steadyMs > JUMP_MS) this.#check()
    else if (link && (link.silentMs >= SILENCE_MS || this.clock.ageMs > CLOCK_SAMPLE_MS)) this.#probe()
  }

  /** Now, without waiting for a silence or the next try. */
  #check(): void {
    const link = this.link
    if (link) {
      if (link.silentMs > UNVERIFIED_MS) {
        this.#unverified = true
        this.evaluate()
      }
      this.#probe()
    } else if (this.#retrying !== undefined) {
      this.#connect()
    } else if (performance.now() - this.#triedMs > 1_000) {
      this.#link?.drop()
      this.#connect()
    }
  }

  #probe(): void {
    const link = this.link
    if (!link || this.#probing === link) return
    this.#probing = link
    const startMs = performance.now()
    const isOver = () => this.#probing !== link || this.#link !== link
    const answered = () => {
      clearTimeout(timer)
      if (isOver()) return
      this.#probing = undefined
      this.#unverified = false
      this.evaluate()
    }
    const silent = () => {
      if (isOver()) return
      // Anything that came since is as good as the answer.
      if (link.heardMs > startMs) return answered()
      this.#probing = undefined
      this.#lost('the server does not answer', Date.now() - link.silentMs)
    }
    let timer = setTimeout(() => {
      timer = setTimeout(silent, LAST_LOOK_MS)
    }, PROBE_TIMEOUT_MS)
    link.probe().then(
      (sample) => {
        if (!this.#closed) this.clock.add(sample)
        answered()
      },
      (error: unknown) => {
        clearTimeout(timer)
        if (this.#probing === link) this.#probing = undefined
        if (!(error instanceof LinkLost)) throw error
      },
    )
  }
}
