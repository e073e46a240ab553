import { Duplex } from 'node:stream'

/** Where a stream's bytes go: one call is one execution in the engine, in order. */
export interface Session {
  send(messages: Uint8Array<ArrayBuffer>): void
  /** The client has said goodbye, or is gone. */
  end(): void
}

const STARTUP_HEADER_BYTES = 4
const HEADER_BYTES = 5
const TERMINATE = 0x58

/**
 * What `pg` takes for a socket. Whatever it writes corked goes over as one message, cut only between messages of
 * the protocol. Its goodbye stays here: it would end the engine.
 */
export class EmbeddedStream extends Duplex {
  readonly #session: Session
  #rest: Buffer | undefined
  #started = false
  #ended = false

  constructor(session: Session) {
    super()
    this.#session = session
  }

  connect(): this {
    queueMicrotask(() => this.emit('connect'))
    return this
  }

  setNoDelay(): this {
    return this
  }

  setKeepAlive(): this {
    return this
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this.#take(chunk)
    callback()
  }

  override _writev(chunks: { chunk: Buffer }[], callback: () => void): void {
    this.#take(chunks.length === 1 ? chunks[0]!.chunk : Buffer.concat(chunks.map(({ chunk }) => chunk)))
    callback()
  }

  override _final(callback: () => void): void {
    this.#end()
    callback()
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#end()
    callback(error)
  }

  #take(bytes: Buffer): void {
    if (this.#ended) return
    let all = this.#rest ? Buffer.concat([this.#rest, bytes]) : bytes
    if (!this.#started) {
      // The first message has no type byte, and the engine takes it by itself.
      const length = all.length < STARTUP_HEADER_BYTES ? Number.POSITIVE_INFINITY : all.readUInt32BE(0)
      if (all.length < length) {
        this.#rest = all
        return
      }
      this.#started = true
      this.#send(all.subarray(0, length))
      all = all.subarray(length)
    }
    let end = 0
    while (end + HEADER_BYTES <= all.length && all[end] !== TERMINATE) {
      const next = end + 1 + all.readUInt32BE(end + 1)
      if (next > all.length) break
      end = next
    }
    if (end > 0) this.#send(all.subarray(0, end))
    this.#rest = end < all.length ? all.subarray(end) : undefined
    if (all[end] === TERMINATE) this.#end()
  }

  #send(messages: Buffer): void {
    // A copy: pg's writer uses its buffer again.
    this.#session.send(new Uint8Array(messages))
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#session.end()
    if (!this.destroyed) this.push(null)
  }
}
