/** Makes one fault after the other real, and sees to it that each is over before the next. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { DatabaseReader } from './database.ts'
import { type FaultCluster, TOPIC } from './fault-cluster.ts'
import type { Instance } from './instance.ts'
import { type Fault, touchedBy } from './schedule.ts'
import { auditTopic } from './topic-audit.ts'

/** Written by the faults themselves; some watch it. */
export const PROBE_KEY = 'g0/probe'
const PROBE_TIMEOUT_MS = 5_000
const ROUNDS_OF_LOST_ANSWERS = 10
const SILENCE_MS = 150
/** Enough to connect again and to send what waits. */
const BETWEEN_SILENCES_MS = 250
const CATCH_UP_MS = 5_000
const POLL_MS = 50

export interface InjectorOptions {
  onProgress: (line: string) => void
  cluster: FaultCluster
  database: DatabaseReader
  /** ms since the run began. */
  now: () => number
  /** Writes `PROBE_KEY` by way of this instance; resolves with its revision, or without when that is not known. */
  probe: (instance: number) => Promise<number | undefined>
  /** Watchers of `PROBE_KEY` that were not shown that revision or a later one. */
  behind: (revision: number) => string[]
}

export class FaultInjector {
  /** What was done when, in words. */
  readonly history: string[] = []
  readonly counts = new Map<string, number>()
  /** The log's head when the topic was last gone for certain: what came later has to be in it. */
  topicSince = 0
  readonly violations: string[] = []
  readonly #options: InjectorOptions
  #underWay: { touched: readonly string[]; over: Promise<void> }[] = []

  constructor(options: InjectorOptions) {
    this.#options = options
  }

  /** One after the other; some begin while others last. Resolves when all are over. */
  async injectAll(faults: readonly Fault[]): Promise<void> {
    for (const fault of faults) {
      const touched = touchedBy(fault)
      const inTheWay = this.#underWay.filter(
        (other) => !fault.meetsOthers || other.touched.some((part) => touched.includes(part)),
      )
      await Promise.all(inTheWay.map(({ over }) => over))
      this.#underWay = this.#underWay.filter((other) => !inTheWay.includes(other))
      const beganMs = this.#options.now()
      const current = { touched, over: this.#inject(fault) }
      this.#underWay.push(current)
      // Waited for later, where it is thrown on.
      current.over.catch(() => {})
      await sleep(Math.max(0, beganMs + fault.untilNextMs - this.#options.now()))
    }
    await Promise.all(this.#underWay.map(({ over }) => over))
  }

  async #inject(fault: Fault): Promise<void> {
    const { holdMs, untilNextMs, meetsOthers, ...what } = fault
    const name = 'service' in fault ? `${fault.kind} ${fault.service}` : fault.kind
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1)
    this.#note(`${JSON.stringify(what)} for ${holdMs} ms`)
    await this.#perform(fault)
    this.#note(`  ${name} is over`)
    for (const instance of this.#options.cluster.instances) await instance.ensureRunning()
  }

  async #perform(fault: Fault): Promise<void> {
    const { cluster, database } = this.#options
    const { postgres, redis, kafka, nginx, instances } = cluster
    const { holdMs } = fault
    switch (fault.kind) {
      case 'kill':
        return this.#kill(instances[fault.instance]!, holdMs)
      case 'pause':
      case 'longPause':
        instances[fault.instance]!.pause()
        await sleep(holdMs)
        return instances[fault.instance]!.resume()
      case 'cut':
      case 'refuse':
      case 'blackHole':
      case 'abandon':
      case 'delay':
        return this.#spoilLinks(fault)
      case 'loseAnswers': {
        const links = fault.instances.map((index) => cluster.links.postgres[index]!)
        // One batch of an instance is lost at a time, and what has a key or a condition would not be applied twice anyway.
        for (let round = 0; round < ROUNDS_OF_LOST_ANSWERS; round++) {
          for (const link of links) link.stall('toClient')
          await sleep(SILENCE_MS)
          for (const link of links) link.cut()
          for (const link of links) link.heal()
          await sleep(BETWEEN_SILENCES_MS)
        }
        return
      }
      case 'flushRedis':
        return redis.flush()
      case 'restartRedis':
        return redis.restart()
      case 'killRedis':
        await redis.kill()
        await sleep(holdMs)
        return redis.start()
      case 'restartKafka':
        return kafka.restart()
      case 'killKafka':
        await kafka.kill()
        await sleep(holdMs)
        return kafka.start()
      case 'deleteTopic': {
        // What this topic lacks nobody could say afterwards.
        const { violations } = await auditTopic(kafka.brokers, TOPIC, database, this.topicSince)
        this.violations.push(...violations)
        await kafka.deleteTopic(TOPIC)
        this.topicSince = await database.head()
        return
      }
      case 'restartPostgres':
        return postgres.restart(fault.mode)
      case 'killUnpublished':
        return this.#killUnpublished(fault)
      case 'darkKafka':
        return this.#darkKafka(fault.instance, holdMs)
      case 'reloadNginx':
        return nginx.reload()
      case 'rollingRestart':
        for (const instance of instances) {
          await instance.shutDown()
          await instance.start()
        }
    }
  }

  async #kill(instance: Instance, downMs: number): Promise<void> {
    await instance.kill()
    await sleep(downMs)
    await instance.start()
  }

  async #spoilLinks(fault: Extract<Fault, { service: unknown }>): Promise<void> {
    const links = fault.instances.map((index) => this.#options.cluster.links[fault.service][index]!)
    for (const link of links) {
      if (fault.kind === 'delay') link.delay(fault.delayMs)
      else if (fault.kind === 'blackHole') link.blackHole()
      else if (fault.kind === 'refuse') await link.refuse()
      else if (fault.kind === 'abandon') link.abandon()
      else link.cut()
    }
    await sleep(fault.holdMs)
    for (const link of links) {
      await link.listen()
      // Else what was held back arrives, late.
      if (fault.kind !== 'abandon' && fault.holdMs % 2 === 0) link.cut()
      link.heal()
    }
  }

  async #killUnpublished(fault: Extract<Fault, { kind: 'killUnpublished' }>): Promise<void> {
    const { cluster, database, probe } = this.#options
    const instance = cluster.instances[fault.instance]!
    const link = cluster.links.kafka[fault.instance]!
    if (fault.atCommit) {
      const committed = database.waitForChange(PROBE_KEY, await database.head(), PROBE_TIMEOUT_MS)
      const answered = probe(fault.instance)
      await committed
      await instance.kill()
      await answered
    } else {
      link.blackHole()
      await probe(fault.instance)
      await instance.kill()
      link.cut()
      link.heal()
    }
    await sleep(fault.holdMs)
    await instance.start()
  }

  async #darkKafka(instance: number, holdMs: number): Promise<void> {
    const { cluster, probe, behind, now } = this.#options
    for (const link of cluster.links.kafka) await link.refuse()
    const revision = await probe(instance)
    if (revision !== undefined) {
      const deadlineMs = now() + CATCH_UP_MS
      while (behind(revision).length > 0 && now() < deadlineMs) await sleep(POLL_MS)
      for (const who of behind(revision))
        this.violations.push(
          `stuck without Kafka: ${CATCH_UP_MS} ms after revision ${revision} ${who} was not shown ${PROBE_KEY}`,
        )
    }
    await sleep(holdMs)
    for (const link of cluster.links.kafka) await link.listen()
  }

  #note(text: string): void {
    const line = `${(this.#options.now() / 1_000).toFixed(3)} s  ${text}`
    this.history.push(line)
    this.#options.onProgress(line)
  }
}
