import type { Server as HttpServer, IncomingMessage } from 'node:http'
import { type ClassicClientEvents, type ClassicServerEvents, LiveKVError } from '@livekv/protocol'
import type { Logger } from 'pino'
import { Server } from 'socket.io'
import type { KeyValue } from '../key-value.ts'
import { Audience } from './audience.ts'
import { serveClassic } from './classic.ts'
import type { Feed } from './feed.ts'

/** Inbound only: the classic events carry nothing but a key. */
const MAX_INBOUND_BYTES = 1024 * 1024
/** How long clients have to answer the closing handshake before their connections are cut. */
const CLOSE_GRACE_MS = 500
const STOPPING = new LiveKVError(
  'SHUTTING_DOWN',
  'This instance is stopping; connect to another one or try again.',
)

export interface SocketOptions {
  feed: Feed
  keyValue: Pick<KeyValue, 'get'>
  /** Why the page (if any) that sent this request may not connect. */
  refusal: (request: IncomingMessage) => LiveKVError | undefined
  /** Returns the key if it is one, else throws INVALID_KEY. */
  parseKey: (key: unknown) => string
  log: Logger
}

export interface SocketStats {
  sockets: number
  subscriptions: number
  /** Sockets that are owed something because they could not be written, and how many values together. */
  slow: number
  owed: number
}

export interface Sockets {
  stats(): SocketStats
  /** Ends all connections, so that clients reconnect elsewhere or later; the HTTP server is left to its owner. */
  close(): Promise<void>
}

/**
 * Socket.IO on the server's port under /socket.io/, with its client script. Attach it after the HTTP server's own
 * request handler. A socket that names a protocol (`auth.protocol`, else the query's) gets no classic events.
 */
export function attachSockets(server: HttpServer, options: SocketOptions): Sockets {
  const { refusal, feed, log } = options
  const audience = new Audience()
  let closing = false
  const io = new Server<ClassicClientEvents, ClassicServerEvents>(server, {
    transports: ['polling', 'websocket'],
    maxHttpBufferSize: MAX_INBOUND_BYTES,
    // Compressing the same value again for every poll costs more than it saves.
    httpCompression: false,
    allowRequest: (request, answer) => {
      const error = closing ? STOPPING : refusal(request)
      if (error) answer(`${error.code}: ${error.message}`, false)
      else answer(null, true)
    },
    // The `cors` middleware takes a function of the request; the types of Socket.IO leave that form out.
    cors: ((
      request: IncomingMessage,
      answer: (error: null, options: { origin: string | boolean; methods: string[] }) => void,
    ) => {
      answer(null, {
        origin: refusal(request) === undefined && (request.headers.origin ?? false),
        methods: ['GET', 'POST'],
      })
    }) as never,
  })
  io.on('connection', (socket) => {
    const { auth, query } = socket.handshake
    if ((auth.protocol ?? query.protocol) === undefined) serveClassic(socket, { ...options, audience })
  })
  const stopListening = feed.listen((changes) => audience.deliver(changes))

  return {
    stats: () => audience.stats(),
    async close() {
      closing = true
      stopListening()
      const { clients } = io.engine as unknown as { clients: Record<string, EngineClient> }
      const open = Object.values(clients).flatMap(({ transport }) => transport.socket ?? [])
      io.engine.close()
      await closed(open)
      log.debug({ sockets: open.length }, 'sockets closed')
    },
  }
}

interface WebSocketLike {
  readyState: number
  once(event: 'close', listener: () => void): void
  terminate(): void
}

interface EngineClient {
  transport: { socket?: WebSocketLike }
}

async function closed(sockets: readonly WebSocketLike[]): Promise<void> {
  const cut = setTimeout(() => {
    for (const socket of sockets) socket.terminate()
  }, CLOSE_GRACE_MS)
  const CLOSED = 3
  await Promise.all(
    sockets
      .filter(({ readyState }) => readyState !== CLOSED)
      .map((socket) => new Promise<void>((resolve) => socket.once('close', resolve))),
  )
  clearTimeout(cut)
}
