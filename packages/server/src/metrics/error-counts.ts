import type { ErrorCode } from '@livekv/protocol'

/** How often clients were told each error. */
export class ErrorCounts {
  readonly #counts = new Map<ErrorCode, number>()

  count(code: ErrorCode): void {
    this.#counts.set(code, (this.#counts.get(code) ?? 0) + 1)
  }

  stats(): Record<string, number> {
    return Object.fromEntries(this.#counts)
  }
}
