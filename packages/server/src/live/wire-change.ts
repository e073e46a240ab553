import { changeText } from '../http/answer.ts'
import type { Change } from '../store/store.ts'

/** A change on its way to watches: encoded once for all of them, at the first that sends it. */
export class WireChange {
  readonly key: string
  readonly revision: number
  readonly #change: Change
  #text: string | undefined

  constructor(change: Change) {
    this.key = change.key
    this.revision = change.revision
    this.#change = change
  }

  get text(): string {
    this.#text ??= changeText(this.#change)
    return this.#text
  }
}
