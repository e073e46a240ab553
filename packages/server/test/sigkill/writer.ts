/**
 * One writer: several requests in flight, the next as soon as one is answered.
 *
 *   without an idempotency key (/add)    sent once; no answer: `unknown`
 *   with one (all else)                  sent again, the same, until there is an answer
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { WriteRecord } from './check-log.ts'
import { type Answer, type HttpClient, NotSent } from './http-client.ts'

const IN_FLIGHT = 4
const RETRY_MS = 20
const MAX_BATCH = 40
const COUNTERS = 3

export class Writer {
  readonly records: WriteRecord[] = []
  acknowledged = 0
  /** Repeats that were told: your first try was applied. */
  repeated = 0
  readonly #name: string
  readonly #client: HttpClient
  readonly #keys: readonly string[]
  readonly #random: () => number
  /** Revision of a key as this writer last heard of it, for conditions that sometimes hold. */
  readonly #known = new Map<string, number>()
  #count = 0
  #stopping = false
  #lanes: Promise<unknown> = Promise.resolve()

  constructor(name: string, client: HttpClient, keys: readonly string[], random: () => number) {
    this.#name = name
    this.#client = client
    this.#keys = keys
    this.#random = random
  }

  start(): void {
    this.#lanes = Promise.all(Array.from({ length: IN_FLIGHT }, () => this.#lane()))
  }

  /** Resolves when the last request has its answer. */
  async stop(): Promise<void> {
    this.#stopping = true
    await this.#lanes
  }

  async #lane(): Promise<void> {
    while (!this.#stopping) {
      const dice = this.#random()
      if (dice < 0.4) await this.#add()
      else if (dice < 0.6) await this.#conditional()
      else if (dice < 0.75) await this.#increment()
      else if (dice < 0.8) await this.#delete()
      else await this.#batch()
    }
  }

  async #add(): Promise<void> {
    const [key, value] = [this.#key(), this.#id()]
    try {
      const { status, body } = await this.#client.send('POST', '/add', { key, value })
      if (status === 200) this.#note({ op: 'put', key, value, outcome: 'applied', revision: body.revision })
      else
        this.#note({ op: 'put', key, value, outcome: body.code === 'COMMIT_UNKNOWN' ? 'unknown' : 'refused' })
    } catch (error) {
      const outcome = error instanceof NotSent ? 'refused' : 'unknown'
      this.#note({ op: 'put', key, value, outcome })
      await sleep(RETRY_MS)
    }
  }

  async #conditional(): Promise<void> {
    const [key, value] = [this.#key(), this.#id()]
    const ifRevision = this.#known.get(key) ?? 0
    const { body } = await this.#answered('PUT', `/api/v1/entries/${key}`, {
      value,
      ifRevision,
      idempotencyKey: this.#id(),
    })
    this.#settle({ op: 'put', key, value, ifRevision, outcome: 'refused' }, body)
  }

  async #increment(): Promise<void> {
    const key = `counter${Math.floor(this.#random() * COUNTERS)}`
    const idempotencyKey = this.#id()
    const { body } = await this.#answered('PATCH', `/api/v1/entries/${key}`, {
      op: 'increment',
      by: 1,
      idempotencyKey,
    })
    this.#settle({ op: 'increment', key, sum: body.value, outcome: 'refused' }, body)
  }

  async #delete(): Promise<void> {
    const key = this.#key()
    const { body } = await this.#answered('DELETE', `/api/v1/entries/${key}?idempotencyKey=${this.#id()}`)
    this.#settle({ op: 'delete', key, outcome: 'refused' }, body)
  }

  async #batch(): Promise<void> {
    const size = 1 + Math.floor(this.#random() * MAX_BATCH)
    const writes = Array.from({ length: size }, () => ({
      op: 'put',
      key: this.#key(),
      value: this.#id(),
      idempotencyKey: this.#id(),
    }))
    const { status, body } = await this.#answered('POST', '/api/v1/batch', { writes })
    if (status !== 200) throw new Error(`Batch: ${status} ${JSON.stringify(body)}`)
    for (const [index, { key, value }] of writes.entries()) {
      this.#settle({ op: 'put', key, value, outcome: 'refused' }, body.results[index])
    }
  }

  /** Sends it until the answer is definite. */
  async #answered(method: string, path: string, body?: unknown): Promise<Answer> {
    while (true) {
      const answer = await this.#client.send(method, path, body).catch(() => undefined)
      const isAgain = (status: number | undefined) => status === undefined || status === 503
      const items: { status: number }[] = answer?.body.results ?? []
      if (answer && !isAgain(answer.status) && !items.some(({ status }) => isAgain(status))) return answer
      await sleep(RETRY_MS)
    }
  }

  #settle(
    record: WriteRecord,
    answer: { applied?: boolean; revision?: number; repeated?: boolean; code?: string },
  ): void {
    const { applied, revision, repeated, code } = answer
    if (code !== undefined && code !== 'REVISION_CONFLICT')
      throw new Error(`${JSON.stringify(record)}: ${code}`)
    if (repeated) this.repeated++
    if (applied === true) this.#note({ ...record, outcome: 'applied', revision: revision! })
    else this.#note(record)
    if (revision !== undefined) this.#known.set(record.key, record.op === 'delete' ? 0 : revision)
  }

  #note(record: WriteRecord): void {
    this.records.push(record)
    if (record.outcome === 'applied') this.acknowledged++
  }

  #key(): string {
    return this.#keys[Math.floor(this.#random() * this.#keys.length)]!
  }

  #id(): string {
    this.#count++
    return `${this.#name}-${this.#count}`
  }
}
