import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { Selection } from './selection.ts'

/**
 * How far one watch has come: every change of its selection up to `low` was shown to the client (or a newer one of
 * the key), and nothing above `high` was.
 */
export interface Position {
  low: number
  high: number
}

const SCOPE_BYTES = 12
const BYTES = SCOPE_BYTES + 8 + 8 + 4

/**
 * A position as the client holds it: opaque, of fixed length. It carries a hash of the store's id and of the
 * selection, so that it is of no use anywhere else, and a sum over all of it, so that a damaged one is noticed.
 */
export class CursorCodec {
  readonly #buffer = Buffer.alloc(BYTES)

  constructor(storeId: string, selection: Selection) {
    createHash('sha256')
      .update(`${storeId}\n${selection.identity}`)
      .digest()
      .copy(this.#buffer, 0, 0, SCOPE_BYTES)
  }

  encode({ low, high }: Position): string {
    const buffer = this.#buffer
    buffer.writeDoubleBE(low, SCOPE_BYTES)
    buffer.writeDoubleBE(high, SCOPE_BYTES + 8)
    buffer.writeUInt32BE(crc32(buffer.subarray(0, BYTES - 4)), BYTES - 4)
    return buffer.toString('base64url')
  }

  /** Undefined: not a cursor of this selection on this store. */
  decode(text: string): Position | undefined {
    const buffer = Buffer.from(text.slice(0, 2 * BYTES), 'base64url')
    if (buffer.length !== BYTES || buffer.toString('base64url') !== text) return undefined
    if (buffer.readUInt32BE(BYTES - 4) !== crc32(buffer.subarray(0, BYTES - 4))) return undefined
    if (buffer.compare(this.#buffer, 0, SCOPE_BYTES, 0, SCOPE_BYTES) !== 0) return undefined
    const [low, high] = [buffer.readDoubleBE(SCOPE_BYTES), buffer.readDoubleBE(SCOPE_BYTES + 8)]
    // The sum is no secret: anybody can make one up.
    return [low, high].every((revision) => Number.isSafeInteger(revision) && revision >= 0)
      ? { low, high }
      : undefined
  }
}
