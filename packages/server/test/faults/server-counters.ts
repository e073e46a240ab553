import type { Instance } from './instance.ts'

const EVERY_MS = 2_000
const ANSWER_TIMEOUT_MS = 1_000
/** Name in /metrics, and what it is called in the figures. */
const COUNTERS: Record<string, string> = {
  livekv_gaps_filled_total: 'gaps filled',
  livekv_cache_rejected_total: 'cached items not believed',
  livekv_bus_republished_total: 'changes published again',
  livekv_bus_restarts_total: 'connections to Kafka made again',
}

/** What the instances count, added up over all their lives: a process begins at 0. What is counted between the last look and a kill is missed. */
export class ServerCounters {
  readonly #instances: readonly Instance[]
  readonly #last = new Map<string, number>()
  readonly #sums = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined

  constructor(instances: readonly Instance[]) {
    this.#instances = instances
  }

  start(): void {
    this.#timer = setInterval(() => void this.#look(), EVERY_MS)
  }

  /** Looks once more; resolves with the figures in words. */
  async stop(): Promise<string> {
    clearInterval(this.#timer)
    await this.#look()
    return Object.entries(COUNTERS)
      .map(([name, words]) => `${words}: ${this.#sums.get(name) ?? 0}`)
      .join(', ')
  }

  async #look(): Promise<void> {
    await Promise.all(this.#instances.map((instance) => this.#lookAt(instance)))
  }

  async #lookAt({ url, name: instance }: Instance): Promise<void> {
    const text = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) }).then(
      (answer) => answer.text(),
      () => '',
    )
    for (const name of Object.keys(COUNTERS)) {
      const [, value] = new RegExp(`^${name}(?:\\{[^}]*\\})? (\\d+)`, 'm').exec(text) ?? []
      if (value === undefined) continue
      const key = `${instance} ${name}`
      const before = this.#last.get(key) ?? 0
      const now = Number(value)
      this.#last.set(key, now)
      this.#sums.set(name, (this.#sums.get(name) ?? 0) + (now >= before ? now - before : now))
    }
  }
}
