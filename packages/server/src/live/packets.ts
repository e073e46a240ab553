/**
 * Socket.IO packets that are encoded once and written to many sockets.
 *
 * Values are JSON text in the server, so a packet is put together as text: parsing and printing again would cost
 * per socket and change numbers. The bytes of a WebSocket frame are made at the first socket that needs them and
 * kept, because they are the same for all (a server's frames are not masked).
 */

/** One Socket.IO packet, as text and as a WebSocket frame. */
export class EncodedPacket {
  readonly text: string
  #frame: Buffer | undefined

  constructor(text: string) {
    this.text = text
  }

  /** `payload` is the event's one argument, as JSON text. */
  static event(name: string, payload: string): EncodedPacket {
    return new EncodedPacket(`2["${name}",${payload}]`)
  }

  /** The acknowledgement of the client's event `id`. */
  static answer(id: number, payload: string): EncodedPacket {
    return new EncodedPacket(`3${id}[${payload}]`)
  }

  get frame(): Buffer {
    this.#frame ??= textFrame(`4${this.text}`)
    return this.#frame
  }
}

/** Packets that go out in one write, in this order. */
export class PacketGroup {
  readonly #packets: readonly EncodedPacket[]
  #frames: Buffer | undefined
  #payload: string | undefined

  constructor(packets: readonly EncodedPacket[]) {
    this.#packets = packets
  }

  /** WebSocket frames, one behind the other: one system call instead of one per packet. */
  get frames(): Buffer {
    const [only] = this.#packets
    this.#frames ??=
      this.#packets.length === 1 && only ? only.frame : Buffer.concat(this.#packets.map(({ frame }) => frame))
    return this.#frames
  }

  /**
   * The text of one Engine.IO message that a long-polling client takes apart into all of them: U+001E separates
   * packets in a polling answer and cannot stand unescaped in JSON, "4" is the packet type.
   */
  get payload(): string {
    this.#payload ??= this.#packets.map(({ text }) => text).join('\u001e4')
    return this.#payload
  }
}

/** RFC 6455, 5.2: FIN and opcode 1, the length in 7, 7+16 or 7+64 bits, no mask. */
function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text)
  const headerLength = length < 126 ? 2 : length < 65_536 ? 4 : 10
  const frame = Buffer.allocUnsafe(headerLength + length)
  frame[0] = 0x81
  if (headerLength === 2) {
    frame[1] = length
  } else if (headerLength === 4) {
    frame[1] = 126
    frame.writeUInt16BE(length, 2)
  } else {
    frame[1] = 127
    frame.writeBigUInt64BE(BigInt(length), 2)
  }
  frame.write(text, headerLength)
  return frame
}
