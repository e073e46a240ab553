import type { ChangesFrame, ErrorBody, SnapshotFrame } from '@livekv/protocol'
import { backoffMs } from './backoff.ts'
import { Clock } from './clock.ts'
import type { ConnectionState } from './connection-state.ts'
import type { JsonCodec } from './json-codec.ts'
import { Link, LinkLost } from './link.ts'
import { onPageSignals } from './page-signals.ts'

/**
 * start -> connect -> up (watches and writes go out again) -> frames … -> lost -> wait (longer each time, random) -> connect …
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
const CLOCK_SAMPLE_MS = 60_000
const RETRY_MIN_MS = 250
const RETRY_MAX_MS = 5_000
/** A connection that lasted this long was a good one: the next wait is short again. */
const GOOD_LINK_MS = 5_000
/** How long, beyond the time the server asked for, it may take to find another instance before that counts as offline. */
const MOVE_MS = 5_000

export interface ConnectionHandlers {
  up(link: Link): void
  down(): void
  snapshot(frame: SnapshotFrame): void
  changes(frame: ChangesFrame): void
  watchEnded(name: string, error: ErrorBody): void
  /** Whether everything that is watched is up to date. */
  isCurrent(): boolean
  stateChanged(): void
}

export class Connection {
  readonly clock = new Clock()
  readonly #url: URL
  readonly #json: JsonCodec
  readonly #handlers: ConnectionHandlers
  #stopSignals = () => {}
  #ticking: ReturnType<typeof setInterval> | undefined
  #link: Link | undefined
  #state: ConnectionState = { name: 'catching-up', since: Date.now() }
  /** Until then (by `performance.now()`) no link is no bad news: the first one is being made, or the instance asked us to move. */
  #excusedUntilMs = Number.POSITIVE_INFINITY
  /** When the server was last heard; before the first time, when the client began to look for it. */
  #heardAt = Date.now()
  #lostReason: string | undefined
  #probing: Link | undefined
  #failures = 0
  /** The next connection is made then. */
  #retrying: ReturnType<typeof setTimeout> | undefined
  #triedMs = 0
  #upMs = 0
  #tickMs = Date.now()
  #tickedAt = performance.now()
  #closed = false

  constructor(url: URL, json: JsonCodec, handlers: ConnectionHandlers) {
    this.#url = url
    this.#json = json
    this.#handlers = handlers
  }

  /** Connects in a moment, not within this call; done once. */
  start(): void {
    if (this.#ticking !== undefined || this.#closed) return
    this.#state = Object.freeze({ name: 'catching-up', since: Date.now() })
    this.#heardAt = Date.now()
    this.#tickMs = Date.now()
    this.#tickedAt = performance.now()
    this.#stopSignals = onPageSignals(() => this.#check())
    this.#ticking = setInterval(() => this.#tick(), TICK_MS)
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
    this.#stopSignals()
    this.#link?.drop()
    this.#link = undefined
    this.#show('offline', Date.now(), 'the client was closed')
  }

  /** Works the state out again; called whenever something it depends on has changed. */
  evaluate(): void {
    if (this.#closed) return
    if (this.link && this.#handlers.isCurrent()) this.#show('live', Date.now())
    else if (this.link || performance.now() < this.#excusedUntilMs) this.#show('catching-up', Date.now())
    else this.#show('offline', this.#heardAt, this.#lostReason)
  }

  #show(name: ConnectionState['name'], since: number, reason?: string): void {
    if (name === this.#state.name && reason === this.#state.reason) return
    this.#state = Object.freeze({
      name,
      since: name === this.#state.name ? this.#state.since : since,
      ...(reason !== undefined && { reason }),
    })
    this.#handlers.stateChanged()
  }

  #connect(): void {
    clearTimeout(this.#retrying)
    this.#retrying = undefined
    if (this.#closed) return
    this.#triedMs = performance.now()
    const link = new Link(this.#url, this.#json, this.#failures % 3 === 2, {
      connected: () => {
        this.#upMs = performance.now()
        this.#excusedUntilMs = 0
        this.#probe()
        this.#handlers.up(link)
        this.evaluate()
      },
      snapshot: (frame) => this.#handlers.snapshot(frame),
      changes: (frame) => this.#handlers.changes(frame),
      watchEnded: (name, error) => this.#handlers.watchEnded(name, error),
      goingAway: (withinMs) => this.#moveWithin(withinMs),
      ended: (reason) => this.#lost(reason),
    })
    this.#link = link
  }

  #lost(reason: string): void {
    if (this.#upMs > 0 && performance.now() - this.#upMs > GOOD_LINK_MS) this.#failures = 0
    this.#dropLink()
    this.#lostReason = reason
    if (this.#excusedUntilMs === Number.POSITIVE_INFINITY) this.#excusedUntilMs = 0
    // An instance that goes away has said when to come again.
    this.#retrying ??= setTimeout(
      () => this.#connect(),
      backoffMs(this.#failures, RETRY_MIN_MS, RETRY_MAX_MS),
    )
    this.#failures++
    this.evaluate()
  }

  #dropLink(): void {
    if (this.#link && this.#upMs > 0) this.#heardAt = Date.now() - this.#link.silentMs
    this.#link?.drop()
    this.#link = undefined
    this.#upMs = 0
    this.#handlers.down()
  }

  /** The instance is stopping: leave at a random moment, so that not all of its clients arrive elsewhere at once. */
  #moveWithin(withinMs: number): void {
    this.#excusedUntilMs = performance.now() + withinMs + MOVE_MS
    clearTimeout(this.#retrying)
    this.#retrying = setTimeout(() => {
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
    // An excuse may have run out.
    if (!link) this.evaluate()
    if (wallMs > JUMP_MS || steadyMs > JUMP_MS) this.#check()
    else if (link && (link.silentMs >= SILENCE_MS || this.clock.ageMs > CLOCK_SAMPLE_MS)) this.#probe()
  }

  /** Now, without waiting for a silence or the next try. After a long sleep the first request ends the link. */
  #check(): void {
    if (this.link) this.#probe()
    else if (this.#retrying !== undefined) this.#connect()
    else if (performance.now() - this.#triedMs > 1_000) {
      this.#link?.drop()
      this.#connect()
    }
  }

  #probe(): void {
    const link = this.link
    if (!link || this.#probing === link) return
    this.#probing = link
    const startMs = performance.now()
    const silent = () => {
      if (this.#probing !== link || this.#link !== link) return
      this.#probing = undefined
      // Anything that came since is as good as the answer.
      if (link.heardMs <= startMs) this.#lost('the server does not answer')
    }
    let timer = setTimeout(() => {
      timer = setTimeout(silent, LAST_LOOK_MS)
    }, PROBE_TIMEOUT_MS)
    const over = () => {
      clearTimeout(timer)
      if (this.#probing === link) this.#probing = undefined
    }
    link.probe().then(
      (sample) => {
        this.clock.add(sample)
        over()
      },
      (error: unknown) => {
        over()
        if (!(error instanceof LinkLost)) throw error
      },
    )
  }
}
