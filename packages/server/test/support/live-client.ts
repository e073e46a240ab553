import type {
  Answer,
  Change,
  ChangesFrame,
  Entry,
  ErrorBody,
  LiveClientEvents,
  LiveServerEvents,
  SnapshotFrame,
  WatchAnswer,
  WatchRequest,
} from '@livekv/protocol'
import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client'

export type RawSocket = Socket<LiveServerEvents, LiveClientEvents>

/** What one watch of the live protocol was shown, kept as a client is to keep it. Notes everything that is not as promised. */
export class ShownWatch {
  readonly id: string
  readonly problems: string[] = []
  readonly answers: WatchAnswer[] = []
  /** Latest shown of each key; a delete stays, with its revision. */
  readonly shown = new Map<string, { revision: number; value: unknown }>()
  /** Keys of the snapshot under way. */
  #inSnapshot: Set<string> | undefined
  cursor: string | undefined
  frames = 0
  /** Frames of changes that came before the end of a snapshot. */
  between = 0
  snapshots = 0
  current = 0
  ended: (ErrorBody & { watch: string }) | undefined
  /** The client has been told that it ended it: nothing may come any more. */
  isOver = false

  constructor(id: string) {
    this.id = id
  }

  /** Those that have a value. */
  get values(): Record<string, unknown> {
    const values: Record<string, unknown> = {}
    for (const [key, { value }] of [...this.shown].sort()) if (value !== undefined) values[key] = value
    return values
  }

  /** The server said that what is held may be of another history. */
  reset(): void {
    this.shown.clear()
    this.cursor = undefined
  }

  takeSnapshot(frame: SnapshotFrame): void {
    this.#count('a snapshot')
    this.#inSnapshot ??= new Set()
    for (const entry of frame.entries) this.#take(entry, entry.value)
    if (!frame.end) {
      if (frame.cursor !== undefined) this.problems.push('a cursor before the end of the snapshot')
      return
    }
    for (const [key, state] of this.shown) {
      if (!this.#inSnapshot.has(key)) this.shown.set(key, { ...state, value: undefined })
    }
    this.#inSnapshot = undefined
    this.cursor = frame.cursor
    this.snapshots++
  }

  takeChanges(frame: ChangesFrame): void {
    this.#count('changes')
    if (this.#inSnapshot) {
      this.between++
      if (frame.cursor !== undefined) this.problems.push('a cursor during a snapshot')
    }
    for (const change of frame.changes) this.#take(change, change.op === 'put' ? change.value : undefined)
    if (frame.cursor !== undefined) this.cursor = frame.cursor
    if (frame.current) this.current++
  }

  #count(what: string): void {
    this.frames++
    if (this.isOver) this.problems.push(`${what} of ${this.id} after its end`)
  }

  #take({ key, revision }: Entry | Change, value: unknown): void {
    const before = this.shown.get(key)?.revision ?? 0
    if (revision < before) this.problems.push(`${this.id} ${key}: ${revision} after ${before}`)
    this.shown.set(key, { revision, value })
    this.#inSnapshot?.add(key)
  }
}

/** What Socket.IO's client does not show. */
interface Internals {
  engine: {
    transport: { ws: { _socket: { pause(): void; resume(): void; destroy(): void } } }
    _pingTimeoutTimer: NodeJS.Timeout
    _pingTimeoutTime: number
    _sendPacket(type: string): void
  }
}

/** A socket of the live protocol that keeps what its watches are shown. */
export class LiveClient {
  readonly socket: RawSocket
  readonly watches = new Map<string, ShownWatch>()
  readonly events: string[] = []
  goingAway: { withinMs: number } | undefined
  /** Beyond those of Socket.IO's own acknowledgements. */
  #nextId = 1_000_000
  #pongs: NodeJS.Timeout | undefined

  private constructor(socket: RawSocket) {
    this.socket = socket
    socket.on('snapshot', (frame) => this.#watch(frame.watch).takeSnapshot(frame))
    socket.on('changes', (frame) => this.#watch(frame.watch).takeChanges(frame))
    socket.on('watchEnded', (notice) => {
      this.#watch(notice.watch).ended = notice
    })
    socket.on('goingAway', (notice) => {
      this.goingAway = notice
    })
    socket.onAny((event) => this.events.push(event))
  }

  static async connect(
    url: string,
    options: Partial<ManagerOptions & SocketOptions> = {},
  ): Promise<LiveClient> {
    const socket: RawSocket = io(url, {
      forceNew: true,
      reconnection: false,
      transports: ['websocket'],
      auth: { protocol: 1 },
      ...options,
    })
    const client = new LiveClient(socket)
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('connect_error', reject)
    })
    return client
  }

  /** Any event, as it is; resolves with the acknowledgement. */
  ask<T = unknown>(event: string, ...request: unknown[]): Promise<T & Partial<ErrorBody>> {
    return new Promise((resolve) =>
      this.emit(event, ...request, ((answer) => resolve(answer as never)) satisfies Answer<T>),
    )
  }

  /** Any event, without waiting for an answer. */
  emit(event: string, ...request: unknown[]): void {
    this.socket.emit(event as 'time', ...(request as [never]))
  }

  /** `into`: goes on with what an earlier watch, perhaps of another connection, was shown. */
  async watch(request: WatchRequest, into = new ShownWatch(request.watch)): Promise<ShownWatch> {
    this.watches.set(request.watch, into)
    await new Promise<void>((resolve, reject) => {
      this.socket.emit('watch', request, (answer) => {
        if ('error' in answer) return reject(Object.assign(new Error(answer.error), answer))
        // Now, before the frames that follow.
        if (answer.reset) into.reset()
        into.answers.push(answer)
        resolve()
      })
    })
    return into
  }

  async unwatch(watch: string): Promise<void> {
    await this.ask('unwatch', { watch })
    const over = this.watches.get(watch)
    if (over) over.isOver = true
  }

  /** Each message of the server, as it comes. */
  onText(listener: (text: string) => void): () => void {
    const { engine } = this.socket.io
    const onPacket = ({ type, data }: { type: string; data?: unknown }) => {
      if (type === 'message') listener(String(data))
    }
    engine.on('packet', onPacket)
    return () => engine.off('packet', onPacket)
  }

  /** An event as the text of its packet, such as `["put",{"key":"a","value":1.10}]`; resolves with that of the answer. */
  askText(event: string): Promise<string> {
    const id = this.#nextId++
    const start = `3${id}[`
    return new Promise((resolve) => {
      const stop = this.onText((text) => {
        if (!text.startsWith(start)) return
        stop()
        resolve(text.slice(start.length, -1))
      })
      this.send(`2${id}${event}`)
    })
  }

  /** A Socket.IO packet, or an attachment of one, as it is. */
  send(packet: string | Buffer): void {
    this.socket.io.engine.write(packet)
  }

  /** Reads nothing any more, as a slow client does, for as long as it likes: each side goes on to believe in the other. */
  stopReading(): void {
    const { engine } = this.#internals
    this.connection.pause()
    clearTimeout(engine._pingTimeoutTimer)
    engine._pingTimeoutTime = Number.POSITIVE_INFINITY
    this.#pongs ??= setInterval(() => engine._sendPacket('pong'), 1_000)
  }

  readOn(): void {
    clearInterval(this.#pongs)
    this.#pongs = undefined
    this.connection.resume()
  }

  /** The connection under it. */
  get connection(): { pause(): void; resume(): void; destroy(): void } {
    return this.#internals.engine.transport.ws._socket
  }

  get #internals(): Internals {
    return this.socket.io as unknown as Internals
  }

  close(): void {
    clearInterval(this.#pongs)
    this.socket.disconnect()
  }

  #watch(id: string): ShownWatch {
    const watch = this.watches.get(id)
    if (!watch) throw new Error(`a frame for the watch ${id}, which does not exist`)
    return watch
  }
}
