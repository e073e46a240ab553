import type {
  Answer,
  ChangesFrame,
  ErrorBody,
  LiveClientEvents,
  LiveServerEvents,
  SnapshotFrame,
} from '@livekv/protocol'
import { io, type Socket } from 'socket.io-client'
import type { ClockSample } from './clock.ts'
import type { JsonCodec } from './json-codec.ts'
import { type JsonText, packetParser } from './packet-parser.ts'

const PROTOCOL: typeof import('@livekv/protocol').PROTOCOL = 1
const CONNECT_TIMEOUT_MS = 5_000

type Request = 'watch' | 'unwatch' | 'batch'
type Payload<E extends Request> = Parameters<LiveClientEvents[E]>[0]
type Reply<E extends Request> = Parameters<LiveClientEvents[E]>[1] extends Answer<infer T> ? T : never

export interface LinkHandlers {
  connected(): void
  snapshot(frame: SnapshotFrame): void
  changes(frame: ChangesFrame): void
  watchEnded(name: string, error: ErrorBody): void
  goingAway(withinMs: number): void
  /** Once, whatever the cause; also when it never connected. Not after `drop`. */
  ended(reason: string): void
}

/** What a request fails with when its link has ended: whether the server got it is not known. */
export class LinkLost extends Error {}

/**
 * One connection, from its start to its end. It never reconnects: a new one is made instead, so that nothing of an
 * old connection (timers, buffers, late answers) can reach into a new one.
 */
export class Link {
  connected = false
  /** When anything was last received, by `performance.now()`. */
  heardMs = performance.now()
  #heardAt = Date.now()
  readonly #socket: Socket<LiveServerEvents, LiveClientEvents>
  readonly #pending = new Set<(error: LinkLost) => void>()
  readonly #handlers: LinkHandlers
  readonly #timeout: ReturnType<typeof setTimeout>
  #over = false

  constructor(url: URL, json: JsonCodec, pollingFirst: boolean, handlers: LinkHandlers) {
    this.#handlers = handlers
    this.#timeout = setTimeout(
      () => this.#end(`no connection within ${CONNECT_TIMEOUT_MS / 1000} s`),
      CONNECT_TIMEOUT_MS,
    )
    const transports = ['websocket', 'polling']
    const socket: Socket<LiveServerEvents, LiveClientEvents> = io(url.origin, {
      path: `${url.pathname.replace(/\/$/, '')}/socket.io`,
      forceNew: true,
      reconnection: false,
      transports: pollingFirst ? transports.reverse() : transports,
      tryAllTransports: true,
      auth: { protocol: PROTOCOL },
      parser: packetParser(json),
    })
    this.#socket = socket
    socket.on('connect', () => {
      clearTimeout(this.#timeout)
      this.connected = true
      this.#heard()
      socket.io.engine.on('packet', () => this.#heard())
      handlers.connected()
    })
    socket.on('snapshot', (frame) => handlers.snapshot(frame))
    socket.on('changes', (frame) => handlers.changes(frame))
    socket.on('watchEnded', ({ watch, ...error }) => handlers.watchEnded(watch, error as ErrorBody))
    socket.on('goingAway', ({ withinMs }) => handlers.goingAway(withinMs))
    socket.on('connect_error', (error) => this.#end(refusalOf(error)))
    socket.on('disconnect', (reason) => this.#end(reason))
  }

  /** The longer by both clocks: one stands still while some devices sleep, the other can be set. */
  get silentMs(): number {
    return Math.max(performance.now() - this.heardMs, Date.now() - this.#heardAt)
  }

  /**
   * Rejects with LinkLost only; what the server refuses is an answer. `early` gets it before any event that follows
   * it, which a promise cannot promise.
   */
  request<E extends Request>(
    event: E,
    payload: Payload<E> | JsonText,
    early?: (answer: Reply<E> | ErrorBody) => void,
  ): Promise<Reply<E> | ErrorBody> {
    return new Promise((resolve, reject) => {
      if (this.#over || !this.connected) return reject(new LinkLost())
      this.#pending.add(reject)
      const answered = (answer: Reply<E> | ErrorBody) => {
        this.#pending.delete(reject)
        early?.(answer)
        resolve(answer)
      }
      this.#socket.emit(event as 'watch', payload as never, answered as never)
    })
  }

  /** A sign of life, and the server's clock. */
  probe(): Promise<ClockSample> {
    return new Promise((resolve, reject) => {
      if (this.#over || !this.connected) return reject(new LinkLost())
      this.#pending.add(reject)
      const sentMs = Date.now()
      const startMs = performance.now()
      this.#socket.emit('time', ({ now }) => {
        this.#pending.delete(reject)
        const rttMs = performance.now() - startMs
        resolve({ offsetMs: now - (sentMs + rttMs / 2), rttMs })
      })
    })
  }

  /** Ends it without telling its handlers. */
  drop(): void {
    if (this.#over) return
    this.#over = true
    this.connected = false
    clearTimeout(this.#timeout)
    this.#socket.off()
    this.#socket.disconnect()
    for (const reject of this.#pending) reject(new LinkLost())
    this.#pending.clear()
  }

  #heard(): void {
    this.heardMs = performance.now()
    this.#heardAt = Date.now()
  }

  #end(reason: string): void {
    if (this.#over) return
    this.drop()
    this.#handlers.ended(reason)
  }
}

/** The server's own words, where the transport lets them through. */
function refusalOf(error: Error & { context?: { responseText?: string } }): string {
  try {
    const { message } = JSON.parse(error.context?.responseText ?? '')
    if (typeof message === 'string') return message
  } catch {
    // A transport's error without an answer.
  }
  return error.message
}
