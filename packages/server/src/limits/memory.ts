import { RateLimiterMemory } from 'rate-limiter-flexible'
import type { Count, Counter } from './counter.ts'

/** Counts what this process is told. */
export class MemoryCounter implements Counter {
  readonly #limiter: RateLimiterMemory

  constructor({ windowSeconds }: { windowSeconds: number }) {
    this.#limiter = new RateLimiterMemory({ points: 0, duration: windowSeconds })
  }

  async add(client: string, points: number): Promise<Count> {
    const { consumedPoints, msBeforeNext } = await this.#limiter.penalty(client, points)
    return { spent: consumedPoints, endsInMs: msBeforeNext }
  }

  forget(client: string): void {
    void this.#limiter.delete(client)
  }
}
