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
  /** The packet as it came. */
  text: string
  /** The client waits for an acknowledgement under this number. */
  id: number | undefined
}

/** By the packet's list of arguments, which Socket.IO hands to a socket's middleware as it is. */
const texts = new WeakMap<object, Received>()

class TextKeepingDecoder extends Decoder {
  #text = ''

  constructor() {
    super()
    // The first listener: Socket.IO's own comes after it.
    this.on('decoded', ({ type, data, id }) => {
      // What begins with another digit carried binary attachments and is not all there is of its event.
      if (type === PacketType.EVENT && this.#text.startsWith('2')) texts.set(data, { text: this.#text, id })
    })
  }

  override add(data: unknown): void {
    if (typeof data === 'string') this.#text = data
    super.add(data)
  }
}

export const textParser = { Encoder, Decoder: TextKeepingDecoder }

/** How the event came; undefined if it carried binary data. */
export function received(event: object): Received | undefined {
  return texts.get(event)
}

/** The event's first argument, with where it stands in the text. */
export function argumentOf(event: readonly unknown[], { text }: Received): JsonBody {
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
