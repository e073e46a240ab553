import type { ChangesFrame, SnapshotFrame } from '@livekv/protocol'
import { type JsonCodec, plainJson } from '../../src/json-codec.ts'

/** A client's codec that notes everything the server sends it over the socket. */
export class Tap implements JsonCodec {
  readonly snapshots: SnapshotFrame[] = []
  readonly changes: ChangesFrame[] = []
  /** Answers to `watch`: as many as the server has begun. */
  readonly watchAnswers: { reset: boolean; resumed: boolean }[] = []
  /** Answers to `unwatch`. */
  unwatched = 0

  parse(text: string): unknown {
    const packet = plainJson.parse(text)
    if (Array.isArray(packet)) this.#note(packet[0], packet[1])
    return packet
  }

  stringify(value: unknown): string {
    return plainJson.stringify(value)
  }

  /** Keys in the frames since the last call, in the order in which they came. */
  takeKeys(): string[] {
    const snapshots = this.snapshots.splice(0).flatMap(({ entries }) => entries)
    const changes = this.changes.splice(0).flatMap(({ changes }) => changes)
    return [...snapshots, ...changes].map(({ key }) => key)
  }

  #note(first: unknown, payload: unknown): void {
    if (first === 'snapshot') this.snapshots.push(payload as SnapshotFrame)
    else if (first === 'changes') this.changes.push(payload as ChangesFrame)
    else if (typeof first === 'object' && first !== null) {
      if ('storeId' in first) this.watchAnswers.push(first as never)
      else if (Object.keys(first).length === 0) this.unwatched++
    }
  }
}
