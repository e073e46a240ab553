import type { Socket as SocketIO } from 'socket.io'
import type { PacketGroup } from './packets.ts'

type Connection = SocketIO['conn']
type Transport = Connection['transport']

/**
 * The way out to one client: its Engine.IO connection, over whichever transport it has at the moment.
 *
 * Guarantees: what is written while `writable` leaves in that order, behind what Socket.IO itself has written, and
 * an upgrade from polling to WebSocket loses and reorders nothing. `onReady` is called each time the outlet has
 * become writable. Writing while not writable is the caller's mistake: nothing here buffers.
 */
export class Outlet {
  readonly #connection: Connection
  readonly #onReady: () => void
  readonly #onUpgrade: (transport: Transport) => void
  #transport: Transport

  constructor(connection: Connection, onReady: () => void) {
    this.#connection = connection
    this.#onReady = onReady
    this.#transport = connection.transport
    this.#listen()
    this.#onUpgrade = (transport) => {
      this.#silence()
      this.#transport = transport
      this.#listen()
      onReady()
    }
    connection.on('upgrade', this.#onUpgrade)
  }

  /**
   * False from a write until the kernel has taken all of it (WebSocket) or until the client polls again. The
   * connection's own `drain` event comes earlier, when its buffer is merely handed to the transport.
   */
  get writable(): boolean {
    return this.#transport.writable && this.#connection.readyState === 'open'
  }

  /** Packets of Socket.IO itself (answers to the client) that wait in the connection's buffer. */
  get waiting(): number {
    return (this.#connection as unknown as { writeBuffer: readonly unknown[] }).writeBuffer.length
  }

  write(group: PacketGroup): void {
    if (this.#transport.name === 'websocket') {
      // With a finished frame the transport does not look at the data.
      const options = { compress: false, wsPreEncodedFrame: [group.frames] }
      this.#connection.write('', options)
    } else {
      this.#connection.write(group.payload)
    }
  }

  /** Ends the connection to a client that does not keep to the protocol. */
  destroy(): void {
    this.#connection.close(true)
  }

  release(): void {
    this.#silence()
    this.#connection.off('upgrade', this.#onUpgrade)
  }

  #listen(): void {
    // Before the connection's own listener, so that one flush takes its buffer and what is owed together.
    this.#transport.prependListener('ready', this.#onReady)
  }

  #silence(): void {
    this.#transport.off('ready', this.#onReady)
  }
}
