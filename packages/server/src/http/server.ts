/**
 * The HTTP side: origin check and CORS, then the routes, the busiest first. Nothing else stands before them: a
 * body is read by the route that wants one, and API answers set their few headers themselves.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { LiveKVError } from '@livekv/protocol'
import express, { type Express, type NextFunction, type Request, type Response } from 'express'
import { type Log, logTold } from '../log.ts'
import { sendError } from './answer.ts'
import { addBatchRoute } from './batch.ts'
import { RequestAborted } from './body.ts'
import { addClassicRoutes } from './classic-routes.ts'
import type { HttpContext } from './context.ts'
import { addEntryRoutes } from './entries.ts'
import { addHealthRoutes } from './health.ts'
import { addHistoryRoutes } from './history.ts'
import { addMetricsRoute } from './metrics.ts'
import { addPageRoutes } from './pages.ts'
import { addPresenceRoute } from './presence.ts'
import { requestIdOf } from './request-id.ts'
import { shown } from './shown.ts'

const REQUEST_TIMEOUT_MS = 60_000
/** Longer than the usual 60 s of a proxy, so that the proxy is the one to close idle connections. */
const KEEP_ALIVE_TIMEOUT_MS = 65_000

const EXPOSED_HEADERS =
  'ETag, Retry-After, Allow, X-Request-Id, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset'

/** Not listening yet. */
export function createHttpServer(context: HttpContext): Server {
  const app = createExpress(context)
  const { log } = context
  const server = createServer(
    {
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      // An offer that nobody takes up would leave its connection without an answer, and out of reach of `close`.
      shouldUpgradeCallback: ({ url }) => url?.startsWith('/socket.io/') ?? false,
    },
    (request, response) => {
      if (!server.listening) response.setHeader('Connection', 'close')
      if (admit(context, request, response)) app(request, response)
    },
  )
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) =>
    answerUnparsed(error, socket, log),
  )
  return server
}

/** False: answered already, refused or a preflight. */
function admit(context: HttpContext, request: IncomingMessage, response: ServerResponse): boolean {
  const refusal = context.origins.refusal(request)
  if (refusal) {
    context.errors.count(refusal.code)
    response.setHeader('X-Request-Id', requestIdOf(request))
    sendError(response, refusal)
    return false
  }
  const { origin } = request.headers
  if (origin === undefined) return true
  response.setHeader('Access-Control-Allow-Origin', origin)
  response.setHeader('Access-Control-Expose-Headers', EXPOSED_HEADERS)
  response.setHeader('Vary', 'Origin')
  if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined)
    return true
  response.writeHead(204, {
    'Access-Control-Allow-Methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
    'Access-Control-Allow-Headers': 'Content-Type, If-Match, If-None-Match, Idempotency-Key, X-Request-Id',
    'Access-Control-Max-Age': '600',
  })
  response.end()
  return false
}

function createExpress(context: HttpContext): Express {
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.set('query parser', false)
  addClassicRoutes(app, context)
  addEntryRoutes(app, context)
  addBatchRoute(app, context)
  addHistoryRoutes(app, context)
  addHealthRoutes(app, context)
  addPresenceRoute(app, context)
  addMetricsRoute(app, context)
  addPageRoutes(app)
  app.use((request: Request) => {
    throw new LiveKVError(
      'ROUTE_NOT_FOUND',
      `There is nothing at ${shown(request.path)}: docs/protocol.md lists all addresses. A / within a key is written %2F.`,
    )
  })
  app.use((error: unknown, request: Request, response: Response, _next: NextFunction) => {
    answerError(context, error, request, response)
  })
  return app
}

function answerError(
  { log, errors }: HttpContext,
  error: unknown,
  request: Request,
  response: Response,
): void {
  const requestId = requestIdOf(request)
  const at = { method: request.method, path: request.path.slice(0, 200), requestId }
  const send = (told: LiveKVError) => {
    errors.count(told.code)
    response.setHeader('X-Request-Id', requestId)
    sendError(response, told)
  }
  if (error instanceof RequestAborted) {
    log.debug(at, error.message)
    response.destroy()
  } else if (response.headersSent) {
    log.error({ ...at, err: error }, 'an answer broke off')
    response.destroy()
  } else if (error instanceof LiveKVError) {
    logTold(log, at, error)
    send(error)
  } else if (error instanceof URIError || (error as { status?: number }).status === 400) {
    send(
      new LiveKVError(
        'INVALID_KEY',
        `The address ${shown(request.path)} is not percent-encoded UTF-8: encode the key with encodeURIComponent.`,
      ),
    )
  } else {
    log.error({ ...at, err: error }, 'a request failed')
    send(
      new LiveKVError('INTERNAL', `The server failed; its log has the details under ${requestId}.`, {
        requestId,
      }),
    )
  }
}

/** What Node's parser refuses never becomes a request, so the answer is written by hand. */
function answerUnparsed(error: NodeJS.ErrnoException, socket: Socket, log: Log): void {
  log.debug({ code: error.code }, 'not an HTTP request')
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const status =
    error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400
  const message =
    status === 431
      ? 'The request’s headers are too large: 16 KiB is the limit.'
      : status === 408
        ? `The request was not complete within ${REQUEST_TIMEOUT_MS / 1_000} s.`
        : 'This is not a request HTTP/1.1 knows: check method, address and headers.'
  const body = JSON.stringify({ error: message, code: 'INVALID_REQUEST' })
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  )
}
