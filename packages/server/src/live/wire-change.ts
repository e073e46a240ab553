import { changeText } from '../http/answer.ts'
import type { Change } from '../store/store.ts'

/** A change on its way to watches: encoded once for all of them, at the first that sends it. */
export class WireChange {
  readonly key: string
  readonly revision: number
  /** While it waits, the client may be behind from here on. Rule: low-below-unknown. */
  readonly lowest: number
  readonly #change: Change
  #text: string | undefined
  #bytes = 0

  constructor(change: Change) {
    this.key = change.key
    this.revision = change.revision
    this.lowest = change.isAbsence ? 1 : change.revision
    this.#change = change
  }

  get text(): string {
    this.#text ??= changeText(this.#change)
    return this.#text
  }

  get bytes(): number {
    this.#bytes ||= Buffer.byteLength(this.text)
    return this.#bytes
  }
}
