import { LiveKVError } from '@livekv/protocol'

/** The few messages of PostgreSQL's protocol that the engine speaks for itself. */

export interface BackendRows {
  /** Values as text. */
  rows: (string | null)[][]
}

export const syncMessage = Uint8Array.of(0x53, 0, 0, 0, 4)

export function simpleQuery(sql: string): Uint8Array {
  const text = Buffer.from(sql, 'utf8')
  const message = Buffer.alloc(text.length + 6)
  message[0] = 0x51
  message.writeUInt32BE(text.length + 5, 1)
  text.copy(message, 5)
  return message
}

const DATA_ROW = 0x44
const ERROR_RESPONSE = 0x45

/** Throws the error that the answer carries, if any. */
export function parseRows(answer: Uint8Array): BackendRows {
  const bytes = Buffer.from(answer.buffer, answer.byteOffset, answer.byteLength)
  const rows: (string | null)[][] = []
  for (let at = 0; at < bytes.length; at += 1 + bytes.readUInt32BE(at + 1)) {
    if (bytes[at] === DATA_ROW) rows.push(parseRow(bytes, at + 5))
    else if (bytes[at] === ERROR_RESPONSE) throw parseError(bytes, at)
  }
  return { rows }
}

function parseRow(bytes: Buffer, start: number): (string | null)[] {
  const row: (string | null)[] = []
  let at = start + 2
  for (let column = bytes.readUInt16BE(start); column > 0; column--) {
    const length = bytes.readInt32BE(at)
    at += 4
    row.push(length < 0 ? null : bytes.toString('utf8', at, at + length))
    at += Math.max(length, 0)
  }
  return row
}

/** Fields are a letter and a text that ends in a zero byte; M is the message. */
function parseError(bytes: Buffer, at: number): LiveKVError {
  const fields = bytes.toString('utf8', at + 5, at + 1 + bytes.readUInt32BE(at + 1)).split('\0')
  const message = fields.find((field) => field.startsWith('M'))?.slice(1) ?? 'unknown error'
  return new LiveKVError('STORE_FAILED', `The embedded engine refused a statement of its own: ${message}`)
}
