import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'

export interface Target {
  /** 127.0.0.1 by default. */
  host?: string
  port: number
  /** An address of this machine that connections are made from. */
  localAddress?: string
}

export type Direction = 'toServer' | 'toClient'

const DIRECTIONS: readonly Direction[] = ['toServer', 'toClient']
/** What a delay may hold back per direction of a connection; past it the sender is not read from. */
const MAX_DELAYED_BYTES = 1024 * 1024

/**
 * A TCP link between a client and a server on 127.0.0.1 that can be made bad in the ways networks are.
 *
 * Nothing it does loses or reorders bytes within a connection that goes on, just as TCP does not: what is
 * stalled or black-holed arrives after `heal`, unless `cut` came first.
 */
export class TcpProxy {
  readonly port: number
  #target: Target & { host: string }
  #listener: Server
  readonly #links = new Set<Link>()
  readonly #abandoned = new Set<Link>()
  readonly #stalled = new Set<Direction>()
  readonly #state: LinkState = { delayMs: 0, bytesPerSecond: Number.POSITIVE_INFINITY, webSockets: true }
  #blackHoled = false
  #accepted = 0

  static async start(target: Target): Promise<TcpProxy> {
    const listener = createServer({ allowHalfOpen: true, pauseOnConnect: true })
    await listen(listener, 0)
    return new TcpProxy(listener, { host: '127.0.0.1', ...target })
  }

  private constructor(listener: Server, target: Target & { host: string }) {
    this.#listener = listener
    this.#target = target
    this.port = (listener.address() as AddressInfo).port
    this.#accept()
  }

  /** The same address, by way of this proxy. */
  through(url: string): string {
    const through = new URL(url)
    through.hostname = '127.0.0.1'
    through.port = String(this.port)
    return through.href
  }

  /** Clients' connections that are open. */
  get connections(): number {
    return this.#links.size
  }

  /** How many connections clients have made so far. A client that comes again at once is seen by this one only. */
  get accepted(): number {
    return this.#accepted
  }

  /** New connections are led there; those that are do not move. */
  leadTo(target: Target): void {
    this.#target = { host: '127.0.0.1', ...target }
  }

  /** Resets every connection. New ones are accepted. */
  cut(): void {
    for (const link of this.#links) link.reset()
  }

  /** Resets every connection and refuses new ones until `listen`. */
  async refuse(): Promise<void> {
    if (!this.#listener.listening) return
    this.#listener.close()
    this.cut()
    // Not its `close` event: that waits for connections that were abandoned, too.
    await nextTurn()
  }

  async listen(): Promise<void> {
    if (this.#listener.listening) return
    this.#listener = createServer({ allowHalfOpen: true, pauseOnConnect: true })
    this.#accept()
    await listen(this.#listener, this.port)
  }

  /** Everything takes this much longer, in each direction. */
  delay(delayMs: number): void {
    this.#state.delayMs = delayMs
  }

  /** So many bytes a second go through in each direction of a connection, and not more. */
  throttle(bytesPerSecond: number): void {
    this.#state.bytesPerSecond = bytesPerSecond
  }

  /** The receiver of this direction stops reading: buffers fill, then the sender is blocked. */
  stall(direction: Direction): void {
    this.#stalled.add(direction)
    this.#update()
  }

  /** Nothing arrives at either side any more, not even the end of a connection; new connections get no answer. */
  blackHole(): void {
    this.#blackHoled = true
    this.#update()
  }

  /** The connections that are open are dead for good, and nobody is told, as behind a router that has forgotten them. */
  abandon(): void {
    for (const link of this.#links) {
      link.hold(new Set(DIRECTIONS), true)
      this.#abandoned.add(link)
    }
    this.#links.clear()
  }

  /** Requests for a WebSocket are reset, whatever happens later, as by a proxy that does not know them. */
  refuseWebSockets(): void {
    this.#state.webSockets = false
  }

  /** A good link again: no delay, nothing stalled. What was held back arrives. */
  heal(): void {
    this.#state.delayMs = 0
    this.#state.bytesPerSecond = Number.POSITIVE_INFINITY
    this.#stalled.clear()
    this.#blackHoled = false
    this.#update()
  }

  async close(): Promise<void> {
    for (const link of this.#abandoned) link.reset()
    await this.refuse()
  }

  #accept(): void {
    this.#listener.on('connection', (client) => {
      this.#accepted++
      const link = new Link(client, this.#target, this.#state)
      this.#links.add(link)
      client.once('close', () => this.#links.delete(link))
      link.hold(this.#held(), this.#blackHoled)
    })
  }

  #update(): void {
    for (const link of this.#links) link.hold(this.#held(), this.#blackHoled)
  }

  #held(): ReadonlySet<Direction> {
    return this.#blackHoled ? new Set(DIRECTIONS) : this.#stalled
  }
}

/** Of all connections, as it is at the moment. */
interface LinkState {
  delayMs: number
  bytesPerSecond: number
  webSockets: boolean
}

/** One client's connection and the one made for it to the server; that one only when it is let through. */
class Link {
  readonly #client: Socket
  readonly #target: Target & { host: string }
  readonly #state: Readonly<LinkState>
  #pipes: Record<Direction, Pipe> | undefined
  #server: Socket | undefined
  #blackHoled = false
  #over = false

  constructor(client: Socket, target: Target & { host: string }, state: Readonly<LinkState>) {
    this.#client = client
    this.#target = target
    this.#state = state
    this.#watch(client)
  }

  hold(held: ReadonlySet<Direction>, blackHoled: boolean): void {
    this.#blackHoled = blackHoled
    if (this.#over) {
      if (!blackHoled) this.reset()
      return
    }
    if (!blackHoled) this.#connect()
    for (const direction of DIRECTIONS) this.#pipes?.[direction].hold(held.has(direction))
  }

  reset(): void {
    this.#over = true
    this.#pipes?.toServer.close()
    this.#pipes?.toClient.close()
    this.#client.resetAndDestroy()
    this.#server?.resetAndDestroy()
  }

  #connect(): void {
    if (this.#server) return
    this.#server = connect({ ...this.#target, allowHalfOpen: true })
    this.#watch(this.#server)
    this.#pipes = {
      toServer: new Pipe(this.#client, this.#server, this.#state),
      toClient: new Pipe(this.#server, this.#client, this.#state),
    }
    this.#client.on('data', (chunk: Buffer) => {
      if (!this.#state.webSockets && /\r\nupgrade: websocket/i.test(chunk.toString('latin1'))) this.reset()
    })
  }

  /** A side that is gone takes the other with it, as soon as the network lets that be known. */
  #watch(socket: Socket): void {
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.once('close', (hadError) => {
      this.#over = true
      if (!this.#blackHoled && (hadError || !this.#bothEnded())) this.reset()
    })
  }

  #bothEnded(): boolean {
    return this.#client.readableEnded && this.#server?.readableEnded === true
  }
}

/** Copies one direction, in order, with back pressure. */
class Pipe {
  readonly #from: Socket
  readonly #to: Socket
  readonly #state: Readonly<LinkState>
  readonly #pending: { chunk: Buffer | null; cameMs: number; dueMs: number }[] = []
  #pendingBytes = 0
  #sentMs = 0
  #held = false
  #draining = false
  #timer: NodeJS.Timeout | undefined

  constructor(from: Socket, to: Socket, state: Readonly<LinkState>) {
    this.#from = from
    this.#to = to
    this.#state = state
    from.on('data', (chunk) => this.#take(chunk as Buffer))
    from.on('end', () => this.#take(null))
    to.on('drain', () => {
      this.#draining = false
      this.#move()
    })
  }

  hold(held: boolean): void {
    this.#held = held
    this.#move()
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#pending.length = 0
  }

  #take(chunk: Buffer | null): void {
    const cameMs = performance.now()
    this.#pending.push({ chunk, cameMs, dueMs: cameMs + this.#state.delayMs })
    this.#pendingBytes += chunk?.length ?? 0
    this.#move()
  }

  #move(): void {
    clearTimeout(this.#timer)
    while (!this.#held && !this.#draining) {
      const next = this.#pending[0]
      if (!next) break
      const bytes = next.chunk?.length ?? 0
      const throughMs = Math.max(this.#sentMs, next.cameMs) + (bytes / this.#state.bytesPerSecond) * 1_000
      const waitMs = Math.max(next.dueMs, throughMs) - performance.now()
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#move(), waitMs)
        break
      }
      this.#pending.shift()
      this.#pendingBytes -= bytes
      this.#sentMs = performance.now()
      if (next.chunk === null) this.#to.end()
      else if (this.#to.writable) this.#draining = !this.#to.write(next.chunk)
    }
    if (this.#held || this.#draining || this.#pendingBytes > MAX_DELAYED_BYTES) this.#from.pause()
    else this.#from.resume()
  }
}

async function listen(listener: Server, port: number): Promise<void> {
  listener.listen(port, '127.0.0.1')
  await once(listener, 'listening')
}
