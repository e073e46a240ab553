/**
 * One writer of a fault run: so many writes a second, whatever becomes of them.
 *
 *   choose (by seed, writer and number of the write) -> try -> answered                       settled
 *                                                           -> not applied, or no answer
 *                                                                with keys: again, or given up at times
 *                                                                without:   refused, or unknown
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { WriteRequest } from '@livekv/protocol'
import { seededRandom } from '../support/seeded-random.ts'
import { pick, type Random, someCounter, someKey } from './keys.ts'
import { timeOfWrite, type WriteRecord } from './records.ts'
import type { Item, Try, WriteChannel } from './write-channel.ts'

const MAX_IN_FLIGHT = 6
const MAX_BATCH = 12
const RETRY_MS = 150
const TTLS_MS = [50, 300, 1_000, 2_500]

export interface WriterOptions {
  who: string
  channel: WriteChannel
  seed: number
  /** ms since the run began. */
  now: () => number
  /** A number that no other write of the run has. */
  number: () => number
  /** Revision of a key as some writer last heard of it, for conditions that sometimes hold; all share it. */
  known: Map<string, number>
  /** Where the channel leads, if that is one instance. */
  instance?: number
  onApplied?: (write: WriteRecord) => void
}

/** What is sent, together: a single write, or a batch. */
interface Order {
  records: WriteRecord[]
  keyed: boolean
  atomic: boolean
  /** Whether it is left at that when it was not applied, though it could be sent again. */
  givesUp: boolean
}

export class LoadWriter {
  readonly records: WriteRecord[] = []
  readonly problems: string[] = []
  readonly #options: WriterOptions
  readonly #underWay = new Set<Promise<void>>()
  #orders = 0
  #stopping = false
  #isOver = false
  #running: Promise<void> = Promise.resolve()

  constructor(options: WriterOptions) {
    this.#options = options
  }

  start(perSecond: number): void {
    this.#running = this.#run(perSecond)
  }

  /** No new ones. Resolves when all are settled, or after that time: what is open then stays unknown. */
  async stop(withinMs: number): Promise<void> {
    this.#stopping = true
    const over = new AbortController()
    const settled = this.#running.then(() => Promise.all(this.#underWay))
    await Promise.race([settled, sleep(withinMs, undefined, { signal: over.signal }).catch(() => {})])
    over.abort()
    this.#isOver = true
  }

  async #run(perSecond: number): Promise<void> {
    const { seed } = this.#options
    while (!this.#stopping) {
      const random = seededRandom(seed + 7_919 * ++this.#orders)
      await sleep((2_000 * random()) / perSecond)
      while (this.#underWay.size >= MAX_IN_FLIGHT) await Promise.race(this.#underWay)
      if (this.#stopping) break
      const work = this.#perform(this.#choose(random)).finally(() => this.#underWay.delete(work))
      this.#underWay.add(work)
    }
  }

  async #perform(order: Order): Promise<void> {
    const { channel, now } = this.#options
    const { records, keyed, atomic } = order
    this.records.push(...records)
    const requests = records.map(requestOf)
    for (const record of records) record.sentMs = now()
    for (let inDoubt = false; ; ) {
      const tried = await channel.send(requests, atomic)
      for (const record of records) record.tries.push(`${Math.round(now())} ${textOf(tried)}`)
      if (tried.outcome === 'answered') return this.#settle(order, tried.items, inDoubt)
      inDoubt ||= tried.outcome === 'unknown'
      if (this.#isOver) return
      if (!keyed || (order.givesUp && tried.outcome === 'notApplied')) {
        if (!inDoubt) for (const record of records) record.outcome = 'refused'
        return
      }
      await sleep(RETRY_MS)
    }
  }

  #settle({ records, keyed, atomic }: Order, items: readonly Item[], inDoubt: boolean): void {
    const { now, onApplied } = this.#options
    if (this.#isOver) return
    for (const [index, record] of records.entries()) {
      const item = items[index]
      record.answeredMs = now()
      if (item === undefined || item.status === 'unknown') continue
      if (item.status === 'refused') {
        if (!EXPECTED.has(item.code)) this.problems.push(`${item.code} for ${JSON.stringify(record)}`)
        // A refusal is remembered with the key, but not that of an atomic batch: an earlier try may land later.
        if (!inDoubt || (keyed && !atomic)) record.outcome = 'refused'
        continue
      }
      record.outcome = item.status
      this.#options.known.set(record.key, record.op === 'delete' ? 0 : item.revision)
      if (item.status === 'unchanged') continue
      record.revision = item.revision
      if (record.op === 'increment') record.sum = Number(item.value)
      onApplied?.(record)
    }
  }

  #choose(random: Random): Order {
    const dice = random()
    const keyed = random() < 0.6
    const givesUp = random() < 0.3
    if (dice < 0.85) return { records: [this.#single(dice, keyed, random)], keyed, atomic: false, givesUp }
    const atomic = this.#options.channel.isAtomicKnown && random() < 0.5
    const group = this.#options.number()
    const records = Array.from({ length: 2 + Math.floor(random() * MAX_BATCH) }, () => {
      const record = atomic ? this.#put(keyed, random) : this.#single(random(), keyed, random)
      return atomic ? { ...record, atomic: group } : record
    })
    if (random() < 0.3) {
      const conditional = pick(records, random)
      conditional.ifRevision = this.#options.known.get(conditional.key) ?? 0
    }
    return { records, keyed, atomic, givesUp }
  }

  #single(dice: number, keyed: boolean, random: Random): WriteRecord {
    if (dice < 0.2) return { ...this.#put(keyed, random), timed: false }
    if (dice < 0.4) return this.#put(keyed, random)
    if (dice < 0.5) return { ...this.#put(keyed, random), ttlMs: pick(TTLS_MS, random) }
    const key = someKey(random)
    if (dice < 0.62) {
      return { ...this.#put(keyed, random), key, ifRevision: this.#options.known.get(key) ?? 0 }
    }
    if (dice < 0.76) {
      return { ...this.#record('increment', someCounter(random), keyed), by: 1 + Math.floor(random() * 5) }
    }
    if (dice < 0.82) return this.#record('delete', key, keyed)
    return { ...this.#record('touch', key, keyed), ...(random() < 0.5 && { ttlMs: pick(TTLS_MS, random) }) }
  }

  #put(keyed: boolean, random: Random): WriteRecord {
    const record = this.#record('put', someKey(random), keyed)
    return { ...record, value: `${record.who} ${record.n}` }
  }

  #record(op: WriteRecord['op'], key: string, keyed: boolean): WriteRecord {
    const { who, number, instance } = this.#options
    return {
      ...{ n: number(), who, op, key, keyed, timed: true, sentMs: 0, answeredMs: 0, tries: [] },
      outcome: 'unknown',
      ...(instance !== undefined && { instance }),
    }
  }
}

/** Nothing else may be wrong with a write. */
const EXPECTED = new Set([
  ...['REVISION_CONFLICT', 'KEY_NOT_FOUND', 'ATOMIC_ABORTED'],
  ...['UNREACHABLE', 'CLIENT_CLOSED', 'STORE_FAILED', 'OVERLOADED', 'SHUTTING_DOWN'],
])

function requestOf({
  n,
  who,
  op,
  key,
  value,
  by,
  ttlMs,
  ifRevision,
  timed,
  keyed,
}: WriteRecord): WriteRequest {
  return {
    ...{ op, key },
    ...(value !== undefined && { value }),
    ...(by !== undefined && { by }),
    ...(ttlMs !== undefined && { ttlMs }),
    ...(ifRevision !== undefined && { ifRevision }),
    ...(timed && { time: timeOfWrite(n) }),
    ...(keyed && { idempotencyKey: `${who}-${n}` }),
  }
}

function textOf(tried: Try): string {
  if (tried.outcome !== 'answered') return `${tried.outcome} ${tried.why}`
  return tried.items.map((item) => item.status[0]).join('')
}
