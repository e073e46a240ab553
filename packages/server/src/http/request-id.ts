import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

const SANE = /^[\w.:+/=-]{1,128}$/

/**
 * The id a proxy or client has given the request, if it is one that may stand in a log, else a new one. Asked for where
 * a request fails, so that one that succeeds costs nothing.
 */
export function requestIdOf(request: IncomingMessage): string {
  const given = request.headers['x-request-id']
  return typeof given === 'string' && SANE.test(given) ? given : randomUUID()
}
