import type { Server as HttpServer, IncomingMessage } from 'node:http'
import { type ClassicClientEvents, type ClassicServerEvents, LiveKVError, PROTOCOL } from '@livekv/protocol'
import type { Logger } from 'pino'
import { Server, type Socket } from 'socket.io'
import { shown } from '../http/shown.ts'
import type { KeyValue } from '../key-value.ts'
import type { RateLimits } from '../limits/rate-limits.ts'
import type { ClusterAdapter } from '../redis/cluster-adapter.ts'
import type { ArrivalGate } from './arrival-gate.ts'
import { Audience } from './audience.ts'
import { serveClassic } from './classic.ts'
import type { Feed } from './feed.ts'
import type { LiveSockets } from './live-sockets.ts'
import { type ClusterEvents, Presence, type PresenceCounts } from './presence.ts'
import { textParser } from './text-parser.ts'

/**
 * What an event may be larger than the body limit before its connection is ended instead of answered: nothing can
 * answer what was not read.
 */
const INBOUND_MARGIN_BYTES = 1024 * 1024
/**
 * A ping waits behind everything that was sent before it, so a slow link needs long to answer one. Clients of the live
 * protocol notice a dead link by themselves and much sooner; here one costs only what its watches hold.
 */
const PING_INTERVAL_MS = 3_000
const PING_TIMEOUT_MS = 30_000
/** How long clients have to answer the closing handshake before their connections are cut. */
const CLOSE_GRACE_MS = 500
const STOPPING = new LiveKVError(
  'SHUTTING_DOWN',
  'This instance is stopping; connect to another one or try again.',
)

export interface SocketOptions {
  feed: Feed
  /** Which classic sockets pass before they are shown anything. */
  arrivals: Pick<ArrivalGate, 'admit'>
  keyValue: Pick<KeyValue, 'get'>
  /** Serves the sockets that name its protocol. */
  live: Pick<LiveSockets, 'serve' | 'close' | 'stats' | 'watchesOf'>
  /** To the other instances; absent: there are none. */
  cluster?: Pick<ClusterAdapter, 'adapter' | 'problem'> | undefined
  maxBodyBytes: number
  limits: Pick<RateLimits, 'client'>
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
  /** Events of changes that were given to sockets. */
  delivered: number
}

export interface Sockets {
  presence: Presence
  stats(): SocketStats
  /**
   * Answers the requests under way, for `timeoutMs` at most, and ends all connections, so that clients reconnect
   * elsewhere or later: those of the live protocol are told to spread it, plain ones do so by themselves. The HTTP server
   * is left to its owner.
   */
  close(timeoutMs?: number): Promise<void>
}

/**
 * Socket.IO on the server's port under /socket.io/, with its client script. Attach it after the HTTP server's own
 * request handler. A socket that names no protocol (`auth.protocol`, else the query's) gets the classic events, one
 * that names a protocol gets that and nothing else.
 */
export function attachSockets(server: HttpServer, options: SocketOptions): Sockets {
  const { refusal, feed, live, log, cluster } = options
  const audience = new Audience()
  let closing = false
  const io = new Server<ClassicClientEvents, ClassicServerEvents, ClusterEvents>(server, {
    ...(cluster && { adapter: cluster.adapter }),
    transports: ['polling', 'websocket'],
    maxHttpBufferSize: options.maxBodyBytes + INBOUND_MARGIN_BYTES,
    pingInterval: PING_INTERVAL_MS,
    pingTimeout: PING_TIMEOUT_MS,
    parser: textParser,
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
  io.use((socket, next) => next(protocolError(protocolOf(socket))))
  io.on('connection', (socket) => {
    const limits = options.limits.client(socket.request)
    if (protocolOf(socket) === undefined) serveClassic(socket, { ...options, audience, limits })
    else live.serve(socket, limits)
  })
  const count = (key: string | undefined): PresenceCounts => {
    const [classic, watching] = [audience.stats(), live.stats()]
    return {
      sockets: classic.sockets + watching.sockets,
      watches:
        key === undefined
          ? classic.subscriptions + watching.watches
          : audience.subscriptionsOf(key) + live.watchesOf(key),
    }
  }
  const stopListening = feed.listen((changes) => audience.deliver(changes))

  return {
    presence: new Presence({ io, cluster, count }),
    stats: () => audience.stats(),
    async close(timeoutMs) {
      closing = true
      await live.close(timeoutMs)
      stopListening()
      // What was written last is on its way before the connections end.
      await new Promise((resolve) => setImmediate(resolve))
      const { clients } = io.engine as unknown as { clients: Record<string, EngineClient> }
      const open = Object.values(clients).flatMap(({ transport }) => transport.socket ?? [])
      io.engine.close()
      await closed(open)
      log.debug({ sockets: open.length }, 'sockets closed')
    },
  }
}

function protocolOf(socket: Socket): unknown {
  const { auth, query } = socket.handshake
  return auth.protocol ?? query.protocol
}

/** Socket.IO gives its message to the client as that of `connect_error`, and `data` beside it. */
function protocolError(protocol: unknown): (Error & { data?: unknown }) | undefined {
  // Compared as it is: from outside, even `String` of it may throw.
  if (protocol === undefined || protocol === PROTOCOL || protocol === String(PROTOCOL)) return undefined
  const error = new LiveKVError(
    'INVALID_REQUEST',
    `protocol ${shown(protocol)} is not spoken here: connect with auth {"protocol": ${PROTOCOL}}, or with none for the classic events.`,
    { protocol: PROTOCOL },
  )
  return Object.assign(new Error(`${error.code}: ${error.message}`), { data: error.toBody() })
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
