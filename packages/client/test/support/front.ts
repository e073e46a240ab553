import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** What stands before servers: sends each new connection to whatever is the target then, WebSockets only if it may. */
export class Front {
  readonly url: string
  #target: number
  readonly #passesWebSockets: boolean
  readonly #listener: Server
  readonly #sockets = new Set<Socket>()

  static async start(url: string, { webSockets = true } = {}): Promise<Front> {
    const listener = createServer()
    await once(listener.listen(0, '127.0.0.1'), 'listening')
    return new Front(listener, portOf(url), webSockets)
  }

  private constructor(listener: Server, target: number, webSockets: boolean) {
    this.#listener = listener
    this.#target = target
    this.#passesWebSockets = webSockets
    this.url = `http://127.0.0.1:${(listener.address() as AddressInfo).port}`
    listener.on('connection', (client) => this.#accept(client))
  }

  /** New connections go there; those that are open stay where they are. */
  sendTo(url: string): void {
    this.#target = portOf(url)
  }

  close(): void {
    this.#listener.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #accept(client: Socket): void {
    this.#keep(client)
    client.once('data', (head: Buffer) => {
      if (!this.#passesWebSockets && /upgrade: websocket/i.test(head.toString('latin1'))) {
        client.destroy()
        return
      }
      const server = connect({ host: '127.0.0.1', port: this.#target, noDelay: true })
      this.#keep(server)
      server.write(head)
      client.pipe(server)
      server.pipe(client)
      client.once('close', () => server.destroy())
      server.once('close', () => client.destroy())
    })
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => this.#sockets.delete(socket))
  }
}

const portOf = (url: string) => Number(new URL(url).port)
