/**
 * Socket.IO's parser, which also keeps the text that a client's event came in: a value is stored as it was written,
 * and `1.10` or `12345678901234567890` do not survive being parsed.
 */
import { LiveKVError } from '@livekv/protocol'
import { Decoder, Encoder, PacketType } from 'socket.io-parser'
import type { JsonBody } from '../http/body.ts'
import { skipSpace, skipValue } from '../http/raw-json.ts'
import { shown } from '../http/shown.ts'

export interface Received {
  /** The packet as it came; undefined: it carried binary attachments, so there is no such text. */
  text: string | undefined
  /** The client waits for an acknowledgement under this number. */
  id: number | undefined
}

/** By the packet's list of arguments, which Socket.IO hands to a socket's middleware as it is. */
const events = new WeakMap<object, Received>()

class TextKeepingDecoder extends Decoder {
  #text = ''

  constructor() {
    super()
    // The first listener: Socket.IO's own comes after it.
    this.on('decoded', ({ type, data, id }) => {
      // An event with attachments is complete with the last of them, which is no text.
      if (type === PacketType.EVENT) events.set(data, { text: this.#text || undefined, id })
    })
  }

  override add(data: unknown): void {
    this.#text = typeof data === 'string' ? data : ''
    super.add(data)
    // Not for as long as the connection lasts: it may be megabytes.
    this.#text = ''
  }
}

export const textParser = { Encoder, Decoder: TextKeepingDecoder }

export function received(event: object): Received {
  return events.get(event) as Received
}

/** The event's first argument, with where it stands in the text. */
export function argumentOf(event: readonly unknown[], text: string): JsonBody {
  const object = event[1]
  if (typeof object !== 'object' || object === null || Array.isArray(object)) {
    throw new LiveKVError(
      'INVALID_REQUEST',
      `${shown(typeof object === 'function' ? undefined : object)} must be an object: ${shown(event[0])} takes one argument, and an acknowledgement.`,
    )
  }
  const name = skipSpace(text, text.indexOf('[') + 1)
  const comma = skipSpace(text, skipValue(text, name))
  return { text, start: skipSpace(text, comma + 1), object: object as Record<string, unknown> }
}
