/** Reads one key after the other, and keeps what it was answered. What is not answered, or by an error, says nothing. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { HttpClient } from '../sigkill/http-client.ts'
import { keyToRead, type Random } from './keys.ts'
import type { ReadRecord } from './records.ts'

export interface PollerOptions {
  who: string
  client: HttpClient
  random: Random
  perSecond: number
  now: () => number
  /** Where the client leads, if that is one instance. */
  instance?: number
  /** What is read next, as of this revision at least; by default any key as it is. */
  choose?: () => { key: string; atLeast?: number } | undefined
}

export class Poller {
  readonly records: ReadRecord[] = []
  unanswered = 0
  readonly #options: PollerOptions
  #stopping = false
  #running: Promise<void> = Promise.resolve()

  constructor(options: PollerOptions) {
    this.#options = options
  }

  start(): void {
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await this.#running
  }

  async read(key: string, atLeast?: number): Promise<void> {
    const { who, client, instance, now, random } = this.#options
    const isClassic = atLeast === undefined && random() < 0.3
    const query = atLeast === undefined ? '' : `?atLeast=${atLeast}`
    const path = isClassic ? '/get/' : '/api/v1/entries/'
    const sentMs = now()
    const answer = await client
      .send('GET', `${path}${encodeURIComponent(key)}${query}`)
      .catch(() => undefined)
    const { status, body } = answer ?? {}
    // The classic route does not tell the revision of an absence.
    if (status !== 200 && (status !== 404 || isClassic || body.code !== 'KEY_NOT_FOUND')) {
      if (status !== 404) this.unanswered++
      return
    }
    this.records.push({
      ...{ who, key, sentMs, answeredMs: now(), revision: body.revision },
      ...(instance !== undefined && { instance }),
      ...(atLeast !== undefined && { atLeast }),
      ...(status === 200 && { value: body.value }),
    })
  }

  async #run(): Promise<void> {
    const { random, perSecond, choose = () => ({ key: keyToRead(random) }) } = this.#options
    while (!this.#stopping) {
      await sleep((2_000 * random()) / perSecond)
      const chosen: { key: string; atLeast?: number } | undefined = choose()
      if (chosen) await this.read(chosen.key, chosen.atLeast)
    }
  }
}
