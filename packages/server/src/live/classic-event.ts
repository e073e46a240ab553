import { EncodedPacket } from './packets.ts'

/** A value as the classic clients are told it; each form is encoded once, at its first use. */
export class ClassicEvent {
  readonly key: string
  readonly revision: number
  readonly #data: string
  readonly #timestamp: number
  #update: EncodedPacket | undefined
  #valueUpdate: EncodedPacket | undefined

  constructor(state: { key: string; revision: number; at: number; json: string | null }) {
    this.key = state.key
    this.revision = state.revision
    this.#timestamp = state.at
    this.#data = `{"key":${JSON.stringify(state.key)},"value":${state.json ?? 'null'},"timestamp":${state.at},"revision":${state.revision}}`
  }

  /** About what sending it once takes (UTF-16 units instead of bytes). */
  get size(): number {
    return this.#data.length
  }

  /** For everybody. */
  get update(): EncodedPacket {
    this.#update ??= EncodedPacket.event('update', `{"data":${this.#data},"timestamp":${this.#timestamp}}`)
    return this.#update
  }

  /** For those who subscribed to the key. */
  get valueUpdate(): EncodedPacket {
    this.#valueUpdate ??= EncodedPacket.event('valueUpdate', this.#data)
    return this.#valueUpdate
  }
}
