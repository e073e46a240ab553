import {
  Admin,
  Consumer,
  FetchIsolationLevels,
  type GenericError,
  ListOffsetTimestamps,
  type Message,
  type MessagesStream,
  MessagesStreamModes,
  Producer,
} from '@platformatic/kafka'
import { ConstantBackoff, handleWhen, retry } from 'cockatiel'
import type { KafkaConfig } from '../config.ts'
import type { ChangeRecord } from './change-record.ts'
import { clientOptions, closeClient, guard } from './kafka-client.ts'
import { findTopic, openTopic, type Topic, topicDifference } from './kafka-topic.ts'
import type { ReadPositions } from './read-positions.ts'
import { within } from './within.ts'

export type ReadRecord = Message<Buffer, Buffer, Buffer, Buffer>

export interface KafkaLinkOptions {
  config: KafkaConfig
  /** A group of its own for every link: a member that went away without a word would keep partitions for itself. */
  groupId: string
  positions: ReadPositions
  /** In the order of each partition. */
  onRecord: (record: ReadRecord) => void
  /** From here on nothing is missed. */
  onPositioned: () => void
  /** How long each step of closing may take just now. */
  closeTimeoutMs: () => number
  signal: AbortSignal
}

/** Of everything that opening asks of the broker, each with a timeout of its own. */
const OPEN_TIMEOUT_MS = 30_000
const SEND_TIMEOUT_MS = 20_000
const FETCH_WAIT_MS = 50
const SESSION_TIMEOUT_MS = 30_000
const CHECK_EVERY_MS = 1_000
const CHECK_TIMEOUT_MS = 5_000
const RECREATE_GRACE_MS = 1_000

/**
 * A broker answers so for a moment: while it makes its own topics when it is asked for the first time, and while
 * it takes over a topic that was made just now. (The library's own retries wait a second, which is what the first
 * records on a new topic took.)
 */
const STARTING = [
  ...['COORDINATOR_LOAD_IN_PROGRESS', 'COORDINATOR_NOT_AVAILABLE', 'NOT_COORDINATOR'],
  ...['NOT_LEADER_OR_FOLLOWER', 'LEADER_NOT_AVAILABLE', 'UNKNOWN_TOPIC_OR_PARTITION', 'UNKNOWN_TOPIC_ID'],
]
export const whileStarting = retry(
  handleWhen((error) => hasCode(error, STARTING)),
  { maxAttempts: 50, backoff: new ConstantBackoff(100) },
)

/**
 * One connection to Kafka, from the topic as it was found to the first thing that goes wrong:
 *
 *   topic (made when missing) -> where to read on -> producer ready -> consumer in its group, reading -> `ended`
 *
 * It heals nothing: the library recovers neither from a killed broker nor from a topic that was made anew, and a
 * request that timed out leaves its connection unusable. Whoever holds the link closes it and opens another.
 */
export class KafkaLink {
  /** Why it is over; settles once. */
  readonly ended: Promise<Error>
  readonly #options: KafkaLinkOptions
  readonly #admin: Admin
  readonly #consumer: Consumer
  #producer: Producer
  #stream: MessagesStream<Buffer, Buffer, Buffer, Buffer> | undefined
  #topic: Topic | undefined
  #difference: string | null = null
  #checkTimer: NodeJS.Timeout | undefined
  #isOver = false
  readonly #end: (reason: Error) => void
  /** Of the send under way; there is one at a time. */
  #onEnd: ((reason: Error) => void) | undefined

  /** Rejects when something of it cannot be had, with nothing left behind. */
  static async open(options: KafkaLinkOptions): Promise<KafkaLink> {
    const link = new KafkaLink(options)
    const { signal } = options
    const aborted = Promise.withResolvers<never>()
    const abort = () => aborted.reject(new Error('closing'))
    signal.addEventListener('abort', abort, { once: true })
    try {
      await Promise.race([within(OPEN_TIMEOUT_MS, 'connecting', link.#open()), aborted.promise])
      return link
    } catch (error) {
      await link.close()
      throw error
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }

  private constructor(options: KafkaLinkOptions) {
    this.#options = options
    const { promise, resolve } = Promise.withResolvers<Error>()
    this.ended = promise
    this.#end = resolve
    const { config, groupId } = options
    this.#admin = new Admin(clientOptions(config, groupId))
    this.#consumer = new Consumer({ ...clientOptions(config, groupId), groupId })
    this.#producer = this.#newProducer()
    guard(this.#admin)
    guard(this.#consumer)
    this.#consumer.on('error' as never, ((error: Error) => this.fail(error)) as never)
  }

  get topic(): Topic | undefined {
    return this.#topic
  }

  /** How the topic differs from what was asked for; null: it does not. */
  get difference(): string | null {
    return this.#difference
  }

  get isOver(): boolean {
    return this.#isOver
  }

  fail(reason: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#end(reason)
    this.#onEnd?.(reason)
  }

  /** Resolves when all of them are acknowledged by all replicas in step; rejects at the latest when the link ends. */
  async send(records: readonly ChangeRecord[]): Promise<void> {
    const { topic } = this.#options.config
    const messages = records.map((record) => ({ topic, ...record }))
    await this.#whileUp('sending', this.#producer.send({ messages }))
  }

  /** After a refusal: the old one's sequence numbers count what was refused beside it, or do not. */
  async renewProducer(): Promise<void> {
    const old = this.#producer
    this.#producer = this.#newProducer()
    await closeClient(old, this.#options.closeTimeoutMs())
    await this.#whileUp('a new producer', this.#producer.initIdempotentProducer({}))
  }

  /** `forget`: the group is removed from the broker as well. Never rejects. */
  async close({ forget = false } = {}): Promise<void> {
    this.fail(new Error('closed'))
    clearTimeout(this.#checkTimer)
    const stream = this.#stream
    stream?.destroy()
    const pools = [this.#consumer.connections, ...(stream ? [stream.connections] : [])]
    const { groupId, closeTimeoutMs } = this.#options
    const timeoutMs = closeTimeoutMs()
    await Promise.all([closeClient(this.#producer, timeoutMs), closeClient(this.#consumer, timeoutMs, pools)])
    if (forget) {
      const removed = this.#admin.deleteGroups({ groups: [groupId] })
      await within(closeTimeoutMs(), 'removing the group', removed).catch(() => {})
    }
    await closeClient(this.#admin, closeTimeoutMs())
  }

  async #open(): Promise<void> {
    const { config, positions, signal } = this.#options
    const topic = await openTopic({
      admin: this.#admin,
      name: config.topic,
      partitions: config.partitions,
      graceMs: positions.topicId === undefined ? 0 : RECREATE_GRACE_MS,
      signal,
    })
    this.#topic = topic
    this.#difference = await topicDifference(this.#admin, config.topic, topic, config.partitions)
    const offsets = await this.#position(topic)
    this.#options.onPositioned()
    await whileStarting.execute(() => this.#producer.initIdempotentProducer({}), signal)
    await this.#read(offsets)
    this.#scheduleCheck()
  }

  async #position(topic: Topic) {
    const { config, positions, signal } = this.#options
    const list = (timestamp: bigint) =>
      whileStarting.execute(async () => {
        const offsets = await this.#consumer.listOffsets({ topics: [config.topic], timestamp })
        return offsets.get(config.topic) ?? []
      }, signal)
    const earliest = await list(ListOffsetTimestamps.EARLIEST)
    const latest = await list(ListOffsetTimestamps.LATEST)
    return [...positions.begin(topic.id, earliest, latest)].map(([partition, offset]) => ({
      topic: config.topic,
      partition,
      offset,
    }))
  }

  async #read(offsets: { topic: string; partition: number; offset: bigint }[]): Promise<void> {
    const { config, positions, onRecord, signal } = this.#options
    const options = {
      topics: [config.topic],
      mode: MessagesStreamModes.MANUAL,
      offsets,
      autocommit: false,
      maxWaitTime: FETCH_WAIT_MS,
      sessionTimeout: SESSION_TIMEOUT_MS,
      rebalanceTimeout: SESSION_TIMEOUT_MS,
      // A transaction of another program on this topic, never finished, must not hold back what comes after it.
      isolationLevel: FetchIsolationLevels.READ_UNCOMMITTED,
    }
    const stream = await whileStarting.execute(() => this.#consumer.consume({ ...options }), signal)
    this.#stream = stream
    stream.connections.on('connecting', ({ connection }) => connection.on('error', () => {}))
    stream.on('error', (error) => this.fail(error))
    stream.on('close', () => this.fail(new Error('the consumer was closed')))
    if (this.#isOver) {
      stream.destroy()
      return
    }
    const assigned = this.#consumer.assignments?.find(({ topic }) => topic === config.topic)
    if (assigned?.partitions.length !== offsets.length) throw new Error('not all partitions could be had')
    stream.on('data', (record) => {
      positions.noteRead(record.partition, record.offset)
      onRecord(record)
    })
  }

  #scheduleCheck(): void {
    if (this.#isOver) return
    this.#checkTimer = setTimeout(async () => {
      try {
        await this.#check()
      } catch (error) {
        this.fail(error as Error)
      }
      this.#scheduleCheck()
    }, CHECK_EVERY_MS)
  }

  async #check(): Promise<void> {
    const { topic: name } = this.#options.config
    const topic = await within(CHECK_TIMEOUT_MS, 'an answer of the broker', findTopic(this.#admin, name))
    if (!topic) throw new Error(`the topic "${name}" was deleted`)
    if (topic.id !== this.#topic?.id) throw new Error(`the topic "${name}" was made anew`)
    if (topic.partitions !== this.#topic.partitions) {
      throw new Error(`the topic "${name}" has ${topic.partitions} partitions now`)
    }
  }

  async #whileUp(what: string, work: Promise<unknown>): Promise<void> {
    const ended = Promise.withResolvers<never>()
    this.#onEnd = ended.reject
    if (this.#isOver) ended.reject(new Error('the link has ended'))
    try {
      await Promise.race([within(SEND_TIMEOUT_MS, what, work), ended.promise])
    } finally {
      this.#onEnd = undefined
    }
  }

  #newProducer(): Producer {
    const { config, groupId } = this.#options
    const producer = new Producer({ ...clientOptions(config, groupId), idempotent: true })
    guard(producer)
    return producer
  }
}

/** The broker will never take it as it is. */
export function isTooLarge(error: unknown): boolean {
  return hasCode(error, ['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'])
}

function hasCode(error: unknown, codes: readonly string[]): boolean {
  const known = error as GenericError
  return codes.some((code) => known.findBy?.('apiId', code))
}
