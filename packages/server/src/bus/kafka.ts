import { setTimeout as sleep } from 'node:timers/promises'
import { ExponentialBackoff } from 'cockatiel'
import type { Logger } from 'pino'
import type { KafkaConfig } from '../config.ts'
import { errorText } from '../error-text.ts'
import type { Change } from '../store/store.ts'
import { Backlog } from './backlog.ts'
import type { Bus } from './bus.ts'
import { changeOf, originOf, recordOf } from './change-record.ts'
import { CLOSE_TIMEOUT_MS } from './kafka-client.ts'
import { isTooLarge, KafkaLink, type ReadRecord } from './kafka-link.ts'
import { ReadPositions } from './read-positions.ts'
import { RevisionRanges } from './revision-ranges.ts'

export interface KafkaBusOptions {
  config: KafkaConfig
  /** Names this start of the process. */
  instance: string
  storeId: string
  log: Logger
  /** Of changes that wait to be sent. */
  maxBacklogBytes?: number
}

const MAX_BACKLOG_BYTES = 32 * 1024 * 1024
const MAX_BATCH_BYTES = 512 * 1024
const BACKOFF = new ExponentialBackoff({ initialDelay: 100, maxDelay: 2_000 })
/** A link that lasted so long was a good one: the next is tried at once. */
const GOOD_LINK_MS = 10_000
/** How long the start waits for the place to read from. */
const SUBSCRIBE_WAIT_MS = 1_000
const CLOSE_WITHIN_MS = 4_000
/** Of the time for closing, to send what waits. */
const FLUSH_SHARE = 0.5
/** Of what is then left, for each of the three steps in which a connection is closed. */
const CLOSE_STEP_SHARE = 0.25
const REFUSAL_LOG_EVERY_MS = 10_000

/**
 * The Bus on Kafka.
 *
 *   publish    backlog -> one send at a time, of what has gathered since the last -> topic
 *   subscribe  topic, all of it, from where this instance began -> records of this store by others -> subscribers
 *
 * A supervisor holds one KafkaLink and opens the next when it ends, as long as it takes: the broker may be away at the
 * start and go away at any time. What is published meanwhile waits in the backlog; what does not fit is published
 * again from the log (`Republisher`).
 */
export class KafkaBus implements Bus {
  readonly #options: KafkaBusOptions
  readonly #log: Logger
  readonly #backlog: Backlog
  readonly #positions = new ReadPositions()
  readonly #subscribers = new Set<(changes: readonly Change[]) => void>()
  readonly #stop = new AbortController()
  readonly #positioned = Promise.withResolvers<void>()
  #running: Promise<void> | undefined
  #problem: string | null = 'Kafka has not been reached yet.'
  /** The loss was logged; so is its end. */
  #isLossLogged = false
  #reading: { topicId: string; seen: RevisionRanges } | null = null
  #delivery: Change[] = []
  #sending: readonly Change[] = []
  #links = 0
  #refusalLoggedMs = Number.NEGATIVE_INFINITY
  #unreadableLogged = false
  #reportedTopic = ''
  #topicDiffers = false
  #closeByMs = Number.POSITIVE_INFINITY
  readonly #counts = {
    published: 0,
    received: 0,
    republished: 0,
    dropped: 0,
    refused: 0,
    unreadable: 0,
    foreign: 0,
  }

  constructor(options: KafkaBusOptions) {
    this.#options = options
    this.#log = options.log
    this.#backlog = new Backlog(options.maxBacklogBytes ?? MAX_BACKLOG_BYTES)
  }

  get problem(): string | null {
    return this.#problem
  }

  /**
   * The topic this instance reads, and the revisions of this store it has read there. Another topic of the same
   * name begins with an empty set.
   */
  get reading(): { topicId: string; seen: RevisionRanges } | null {
    return this.#reading
  }

  publish(changes: readonly Change[]): void {
    if (this.#stop.signal.aborted || changes.length === 0) return
    this.#counts.dropped += this.#backlog.add(changes)
  }

  /** As `publish`, for changes that the bus has lost. */
  republish(changes: readonly Change[]): void {
    this.#counts.republished += changes.length
    this.publish(changes)
  }

  /** Resolves when nothing is missed any more, or when Kafka is found to be away. */
  async subscribe(onChanges: (changes: readonly Change[]) => void): Promise<void> {
    this.#subscribers.add(onChanges)
    this.#running ??= this.#run()
    await Promise.race([this.#positioned.promise, sleep(SUBSCRIBE_WAIT_MS, undefined, { ref: false })])
  }

  /** Plain numbers, for the metrics. */
  stats() {
    return {
      ...this.#counts,
      backlog: this.#backlog.size + this.#sending.length,
      backlogBytes: this.#backlog.bytes,
      restarts: Math.max(0, this.#links - 1),
      topicDiffers: this.#topicDiffers ? 1 : 0,
    }
  }

  /** A Kafka that is known to be away is not waited for. */
  async close(withinMs = CLOSE_WITHIN_MS): Promise<void> {
    const now = performance.now()
    this.#closeByMs = now + withinMs
    const deadline = now + withinMs * FLUSH_SHARE
    while (!this.#isLossLogged && performance.now() < deadline && this.stats().backlog > 0) await sleep(10)
    this.#stop.abort()
    await this.#running
    this.#subscribers.clear()
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    let backoff = BACKOFF.next()
    while (!signal.aborted) {
      const openedMs = performance.now()
      const reason = await this.#useLink()
      this.#positioned.resolve()
      if (signal.aborted) return
      this.#lost(reason)
      backoff = performance.now() - openedMs > GOOD_LINK_MS ? BACKOFF.next() : backoff.next(undefined)
      await sleep(backoff.duration, undefined, { signal }).catch(() => {})
    }
  }

  /** Why it ended, or could not be had. */
  async #useLink(): Promise<Error> {
    const { config, instance } = this.#options
    const { signal } = this.#stop
    this.#links++
    try {
      const link = await KafkaLink.open({
        config,
        groupId: `livekv-${instance}${this.#links > 1 ? `-${this.#links}` : ''}`,
        positions: this.#positions,
        onRecord: (record) => this.#read(record),
        onPositioned: () => this.#begin(),
        closeTimeoutMs: () => this.#closeStepMs(),
        signal,
      })
      this.#reportTopic(link)
      const onAbort = () => link.fail(new Error('closing'))
      signal.addEventListener('abort', onAbort)
      const ended = new AbortController()
      const sending = this.#send(link, ended.signal)
      const reason = await link.ended
      signal.removeEventListener('abort', onAbort)
      ended.abort()
      await link.close({ forget: signal.aborted })
      await sending
      return reason
    } catch (error) {
      return error as Error
    }
  }

  #closeStepMs(): number {
    const leftMs = Math.max(0, this.#closeByMs - performance.now())
    return Math.min(CLOSE_TIMEOUT_MS, leftMs * CLOSE_STEP_SHARE)
  }

  /** It is known where reading begins. Rule: seen-of-topic. */
  #begin(): void {
    const topicId = this.#positions.topicId!
    if (this.#reading?.topicId !== topicId) this.#reading = { topicId, seen: new RevisionRanges() }
    this.#positioned.resolve()
  }

  async #send(link: KafkaLink, signal: AbortSignal): Promise<void> {
    if (this.#backlog.size === 0) this.#works()
    while (!signal.aborted) {
      await this.#backlog.whenFilled(signal)
      if (signal.aborted) return
      const changes = this.#backlog.take(MAX_BATCH_BYTES)
      this.#sending = changes
      try {
        await this.#sendBatch(link, changes)
        this.#works()
      } catch (error) {
        this.#counts.dropped += this.#backlog.putBack(changes)
        link.fail(error as Error)
        return
      } finally {
        this.#sending = []
      }
    }
  }

  /** A record the broker refuses for its size is found by halving, so that it takes none of the others with it. */
  async #sendBatch(link: KafkaLink, changes: readonly Change[]): Promise<void> {
    try {
      await link.send(changes.map((change) => recordOf(change, this.#options)))
      this.#counts.published += changes.length
    } catch (error) {
      if (!isTooLarge(error)) throw error
      await link.renewProducer()
      if (changes.length === 1) {
        this.#refused(changes[0]!)
        return
      }
      const half = changes.length >> 1
      await this.#sendBatch(link, changes.slice(0, half))
      await this.#sendBatch(link, changes.slice(half))
    }
  }

  /** Rule: refused-is-seen. It stays in the log, where everyone finds it; sent again it would be refused again. */
  #refused({ key, revision, json }: Change): void {
    this.#counts.refused++
    this.#reading?.seen.add(revision)
    const now = performance.now()
    if (now - this.#refusalLoggedMs < REFUSAL_LOG_EVERY_MS) return
    this.#refusalLoggedMs = now
    this.#log.warn(
      { key: key.slice(0, 80), revision, bytes: Buffer.byteLength(json ?? '') },
      'Kafka refuses a change for its size: it reaches other instances by the log. Raise max.message.bytes of the topic, or lower MAX_VALUE_BYTES.',
    )
  }

  #read({ headers, value }: ReadRecord): void {
    const origin = originOf(headers)
    if (!origin) {
      this.#unreadable('it has no revision or no store in its headers')
      return
    }
    if (origin.storeId !== this.#options.storeId) {
      this.#counts.foreign++
      return
    }
    this.#counts.received++
    this.#reading?.seen.add(origin.revision)
    // What this instance published it knows already.
    if (origin.instance === this.#options.instance) return
    try {
      const change = changeOf(value)
      if (this.#delivery.push(change) === 1) queueMicrotask(() => this.#deliver())
    } catch (error) {
      // Its text may hold a value.
      this.#unreadable(error instanceof SyntaxError ? 'it is no JSON' : (error as Error).message)
    }
  }

  /** What came in one answer of the broker is handed on together. */
  #deliver(): void {
    const changes = this.#delivery
    this.#delivery = []
    for (const subscriber of this.#subscribers) subscriber(changes)
  }

  #unreadable(reason: string): void {
    this.#counts.unreadable++
    if (this.#unreadableLogged) return
    this.#unreadableLogged = true
    this.#log.warn(
      { topic: this.#options.config.topic },
      `A record of the topic is none of ours and is ignored: ${reason}. Others like it will not be reported.`,
    )
  }

  #reportTopic(link: KafkaLink): void {
    const { id } = link.topic!
    this.#topicDiffers = link.difference !== null
    const report = `${id}: ${link.difference}`
    if (link.difference === null || this.#reportedTopic === report) return
    this.#reportedTopic = report
    this.#log.warn(
      `The Kafka topic "${this.#options.config.topic}" has ${link.difference}. It is used as it is; delete it to have it made anew.`,
    )
  }

  #works(): void {
    if (this.#problem === null) return
    this.#problem = null
    if (this.#isLossLogged) this.#log.info('Kafka is back: changes go to other instances through it again.')
    this.#isLossLogged = false
  }

  #lost(reason: Error): void {
    const { brokers } = this.#options.config
    this.#problem = `Kafka (${brokers.join(', ')}) cannot be used: ${reasonOf(reason)}. Changes reach other instances by the log, a moment later.`
    if (!this.#isLossLogged) this.#log.warn({ err: reason }, this.#problem)
    this.#isLossLogged = true
  }
}

/** The innermost cause says most: the library wraps errors in errors. */
function reasonOf(error: unknown): string {
  const { cause, errors } = error as Error & { errors?: unknown[] }
  const inner = cause ?? errors?.find(Boolean)
  return inner === undefined ? errorText(error).replace(/\.$/, '') : reasonOf(inner)
}
