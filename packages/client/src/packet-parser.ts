import * as parser from 'socket.io-parser'
import type { JsonCodec } from './json-codec.ts'

/** An event's payload that is JSON text already. */
export class JsonText {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/**
 * Socket.IO's parser, reading JSON with the codec. An event has a name and at most one payload, never binary data;
 * looking for that in every value is what this saves.
 */
export function packetParser(json: JsonCodec): {
  Encoder: new () => parser.Encoder
  Decoder: new () => parser.Decoder
} {
  class Encoder extends parser.Encoder {
    override encode(packet: parser.Packet): unknown[] {
      if (packet.type !== parser.PacketType.EVENT) return super.encode(packet)
      const [name, payload] = packet.data as [string, unknown]
      const text = payload instanceof JsonText ? payload.text : JSON.stringify(payload)
      return [`2${packet.id ?? ''}["${name}"${text === undefined ? '' : `,${text}`}]`]
    }
  }
  class Decoder extends parser.Decoder {
    constructor() {
      super()
      // What the base class reads JSON with; false is its word for "not JSON".
      const tryParse = (text: string) => {
        try {
          return json.parse(text)
        } catch {
          return false
        }
      }
      Object.assign(this, { tryParse })
    }
  }
  return { Encoder, Decoder }
}
