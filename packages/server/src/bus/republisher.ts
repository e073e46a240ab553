import { setTimeout as sleep } from 'node:timers/promises'
import { LiveKVError } from '@livekv/protocol'
import type { Logger } from 'pino'
import type { Change, Store } from '../store/store.ts'
import type { KafkaBus } from './kafka.ts'
import type { MarkState, PublishedMark } from './published-mark.ts'
import type { RevisionRanges } from './revision-ranges.ts'
import { within } from './within.ts'

export interface RepublisherOptions {
  bus: Pick<KafkaBus, 'problem' | 'reading' | 'republish' | 'stats'>
  mark: PublishedMark
  store: Pick<Store, 'changesSince'>
  instance: string
  log: Logger
  leaseMs?: number
  tickMs?: number
  /** A change that is so young may still be on its way. */
  settleMs?: number
  /** What did not come back so long after it was sent again is sent once more. */
  resendMs?: number
}

const PAGE = 1_000
/** More is not put into the bus's backlog at a time: own writes must find room in it. */
const MAX_BACKLOG_BYTES = 4 * 1024 * 1024
const WAIT_FOR_ROOM_MS = 20
const CLOSE_WITHIN_MS = 2_000

/**
 * Sees to it that the topic gets every change at least once, whatever was lost between a commit and the bus.
 *
 *   each tick   claim the lease; what is on the bus up to where? -> move the mark
 *               holder: of what is older than 2 s and not on the bus -> read it from the log, publish it again
 *
 * Rules: sent-again, seen-is-consumed. Only what this instance's own consumer has read from the topic counts as being
 * there: own commits, gap fills and sends do not. An instance whose bus does not work lets the lease go to one whose
 * bus does.
 */
export class Republisher {
  readonly #options: Required<RepublisherOptions>
  readonly #stop = new AbortController()
  #running: Promise<void> | undefined
  #told: MarkState | undefined
  /** Heads of the log, oldest first, each with when it was read; of the time since the bus works. */
  #heads: { head: number; atMs: number }[] = []
  #topicId: string | undefined
  /** Up to here the gaps were sent again. */
  #sentThrough = 0
  #frontier = 0
  #frontierMovedMs = 0
  #failedBefore = false

  constructor(options: RepublisherOptions) {
    this.#options = { leaseMs: 10_000, tickMs: 1_000, settleMs: 2_000, resendMs: 5_000, ...options }
  }

  start(): void {
    this.#running ??= this.#run()
  }

  stats() {
    return { holdsLease: this.#told?.isHeld ? 1 : 0, publishedThrough: this.#told?.publishedThrough ?? 0 }
  }

  /** Gives the lease back, if that can be done within the time. */
  async close(withinMs = CLOSE_WITHIN_MS): Promise<void> {
    const { mark, instance } = this.#options
    this.#stop.abort()
    const release = async () => {
      await this.#running
      if (this.#told?.isHeld) await mark.release(instance)
    }
    // Without it the lease runs out by itself.
    await within(Math.min(withinMs, CLOSE_WITHIN_MS), 'giving the lease back', release()).catch(() => {})
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        await this.#tick()
        this.#failedBefore = false
      } catch (error) {
        if (!this.#failedBefore && !signal.aborted) {
          this.#options.log.warn({ err: error }, 'publishing again what the bus lost will be tried again')
        }
        this.#failedBefore = true
      }
      await sleep(this.#options.tickMs, undefined, { signal }).catch(() => {})
    }
  }

  async #tick(): Promise<void> {
    const { bus, mark, instance, leaseMs } = this.#options
    const { reading } = bus
    if (bus.problem !== null || !reading) {
      this.#topicId = undefined
      return
    }
    const { topicId, seen } = reading
    if (this.#topicId !== topicId) this.#begin(topicId)
    // Rule: mark-of-topic. What is read of this topic counts only on top of a mark that is of this topic.
    const through = this.#told?.topicId === topicId ? seen.through(this.#told.publishedThrough) : 0
    const told = await mark.claim({ holder: instance, ttlMs: leaseMs, topicId, through })
    this.#told = told
    const now = performance.now()
    this.#heads.push({ head: told.head, atMs: now })
    this.#forgetOldHeads(now)
    if (told.topicId !== topicId) return
    seen.forgetThrough(told.publishedThrough)
    if (told.isHeld) await this.#republish(seen, told.publishedThrough)
    else this.#sentThrough = 0
  }

  /** What is seen of another topic, or was heard before the bus failed, says nothing about what is under way now. */
  #begin(topicId: string): void {
    this.#topicId = topicId
    this.#heads = []
    this.#sentThrough = 0
    this.#frontier = 0
  }

  async #republish(seen: RevisionRanges, publishedThrough: number): Promise<void> {
    const { bus, resendMs } = this.#options
    const { signal } = this.#stop
    const now = performance.now()
    const frontier = seen.through(publishedThrough)
    if (frontier > this.#frontier) this.#frontierMovedMs = now
    // Nothing came back: what was sent again was lost again.
    else if (now - this.#frontierMovedMs > resendMs && this.#sentThrough > frontier) {
      this.#sentThrough = frontier
      this.#frontierMovedMs = now
    }
    this.#frontier = frontier
    const settled = this.#settledHead(now)
    let position = Math.max(frontier, this.#sentThrough)
    while (position < settled && !signal.aborted && bus.problem === null) {
      const { from, to } = seen.missingAbove(position)
      if (from > settled) break
      position = await this.#sendAgain(seen, from, Math.min(to, settled))
      this.#sentThrough = position
      // The lease must not run out meanwhile.
      const mayGoOn = () => performance.now() - now <= this.#options.leaseMs / 4
      while (bus.stats().backlogBytes > MAX_BACKLOG_BYTES && !signal.aborted && bus.problem === null) {
        if (!mayGoOn()) return
        await sleep(WAIT_FOR_ROOM_MS)
      }
      if (!mayGoOn()) return
    }
  }

  /** One page of them; up to where it came. */
  async #sendAgain(seen: RevisionRanges, from: number, to: number): Promise<number> {
    const { store, bus, log } = this.#options
    try {
      const { changes } = await store.changesSince(from - 1, Math.min(PAGE, to - from + 1))
      const missing: Change[] = changes.filter(({ revision }) => revision <= to && !seen.has(revision))
      bus.republish(missing)
      return Math.min(to, changes.at(-1)?.revision ?? to)
    } catch (error) {
      if (!(error instanceof LiveKVError) || error.code !== 'REVISION_COMPACTED') throw error
      const through = error.details.compactedThrough as number
      log.warn(
        `Revisions ${from} to ${through} were not published and are no longer in the log: programs that read the topic miss them.`,
      )
      seen.add(from, through)
      return through
    }
  }

  /** The head as it was `settleMs` ago or longer. */
  #settledHead(now: number): number {
    const { settleMs } = this.#options
    return this.#heads.findLast(({ atMs }) => now - atMs >= settleMs)?.head ?? 0
  }

  /** All before the newest that is settled; also where another instance holds the lease. */
  #forgetOldHeads(now: number): void {
    const { settleMs } = this.#options
    const settled = this.#heads.findLastIndex(({ atMs }) => now - atMs >= settleMs)
    if (settled > 0) this.#heads.splice(0, settled)
  }
}
