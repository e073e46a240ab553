/**
 * ETags are `"<store>-<revision>"`, where `<store>` is the first 8 characters of the store's id and its timeline: a
 * tag of another store (another data directory, a restored dump, a failover that lost commits) never matches. A bare
 * `"<revision>"` is accepted in conditions for convenience.
 */
import { LiveKVError } from '@livekv/protocol'
import { shown } from './shown.ts'

export class ETags {
  readonly #prefix: string

  constructor(storeId: string) {
    const [uuid, timeline] = storeId.split('.')
    this.#prefix = `${uuid!.slice(0, 8)}.${timeline ?? 0}`
  }

  of(revision: number): string {
    return `"${this.#prefix}-${revision}"`
  }

  /** Does the If-None-Match of a read name this revision? Compared weakly, as for every read. */
  matches(header: string, revision: number): boolean {
    return header
      .split(',')
      .some((tag) => tag.trim() === '*' || this.#revision(tag.trim().replace(/^W\//, '')) === revision)
  }

  /** The revision a write's If-Match asks for; null: a tag that nothing here can match. */
  required(header: string): number | null {
    const tag = header.trim()
    if (tag === '*' || tag.includes(',')) {
      throw new LiveKVError(
        'INVALID_REQUEST',
        `If-Match: ${shown(tag)} is not taken: give the one ETag that a read or a write answered.`,
      )
    }
    return this.#revision(tag)
  }

  #revision(tag: string): number | null {
    const match = /^"(?:([0-9a-z.]+)-)?(\d{1,16})"$/.exec(tag)
    if (!match || (match[1] !== undefined && match[1] !== this.#prefix)) return null
    return Number(match[2])
  }
}
