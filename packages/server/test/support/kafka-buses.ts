import { randomUUID } from 'node:crypto'
import { Writable } from 'node:stream'
import { pino } from 'pino'
import { KafkaBus } from '../../src/bus/kafka.ts'
import type { KafkaConfig } from '../../src/config.ts'
import type { Change } from '../../src/store/store.ts'

export interface TestBus {
  bus: KafkaBus
  instance: string
  /** What it brought, in that order. */
  heard: Change[]
  /** Messages of the log at warn and above, and those at info. */
  warnings: string[]
  infos: string[]
}

export type BusSettings = Partial<KafkaConfig> & { storeId?: string; maxBacklogBytes?: number }

/** Buses of instances that share a topic of their own; all closed by `closeAll`. */
export class KafkaBuses {
  readonly topic = `test-${randomUUID()}`
  readonly storeId = randomUUID()
  readonly #brokers: string
  readonly #buses: KafkaBus[] = []
  #revision = 0

  constructor(brokers: string) {
    this.#brokers = brokers
  }

  config(settings: BusSettings = {}): KafkaConfig {
    const { brokers = [this.#brokers], topic = this.topic, partitions = 3, ssl = false, sasl } = settings
    return { brokers, topic, partitions, ssl, sasl }
  }

  make(settings: BusSettings = {}): TestBus {
    const warnings: string[] = []
    const infos: string[] = []
    const lines = new Writable({
      write(line: Buffer, _, done) {
        const { level, msg } = JSON.parse(String(line)) as { level: number; msg: string }
        ;(level >= 40 ? warnings : infos).push(msg)
        done()
      },
    })
    const instance = randomUUID()
    const { storeId = this.storeId, maxBacklogBytes } = settings
    const bus = new KafkaBus({
      ...{ config: this.config(settings), instance, storeId, log: pino({ level: 'info' }, lines) },
      ...(maxBacklogBytes === undefined ? {} : { maxBacklogBytes }),
    })
    this.#buses.push(bus)
    return { bus, instance, heard: [], warnings, infos }
  }

  async start(settings: BusSettings = {}): Promise<TestBus> {
    const made = this.make(settings)
    await made.bus.subscribe((changes) => made.heard.push(...changes))
    return made
  }

  /** Changes with the next revisions. */
  changes(count: number, json = '1.50'): Change[] {
    const at = Date.now()
    return Array.from({ length: count }, () => {
      const revision = ++this.#revision
      return { key: `key-${revision % 10}`, revision, at, time: at, json }
    })
  }

  async closeAll(): Promise<void> {
    await Promise.all(this.#buses.map((bus) => bus.close()))
  }
}

export function revisionsOf(changes: readonly Change[]): number[] {
  return [...new Set(changes.map(({ revision }) => revision))].sort((a, b) => a - b)
}
