/**
 * Answers are put together as text, so that a value leaves as it was written. Headers are given to `writeHead`
 * at once: on the busiest routes Express's own helpers (ETag hashing, content negotiation) cost more than the read.
 */
import type { ServerResponse } from 'node:http'
import { ERRORS, type LiveKVError } from '@livekv/protocol'
import type { Change, Entry } from '../store/store.ts'

export function sendJson(response: ServerResponse, status: number, text: string, etag?: string): void {
  const headers = [
    'Content-Type',
    'application/json; charset=utf-8',
    'Content-Length',
    String(Buffer.byteLength(text)),
    'Cache-Control',
    'no-cache',
    'X-Content-Type-Options',
    'nosniff',
  ]
  if (etag !== undefined) headers.push('ETag', etag)
  response.writeHead(status, headers)
  response.end(text)
}

const RETRY_AFTER_SECONDS = 1

export function sendError(response: ServerResponse, error: LiveKVError): void {
  const body = error.toBody()
  if (ERRORS[error.code].status === 503) {
    const { retryAfterSeconds = RETRY_AFTER_SECONDS } = error.details
    response.setHeader('Retry-After', String(retryAfterSeconds))
  } else if (error.code === 'RATE_LIMITED') {
    const { limit, remaining, retryAfterSeconds } = error.details
    response.setHeader('Retry-After', String(retryAfterSeconds))
    response.setHeader('RateLimit-Limit', String(limit))
    response.setHeader('RateLimit-Remaining', String(remaining))
    response.setHeader('RateLimit-Reset', String(retryAfterSeconds))
  }
  sendJson(response, error.status, JSON.stringify(body))
}

export const isoTime = (ms: number) => new Date(ms).toISOString()

export function entryText(entry: Entry): string {
  const expiry = entry.expiresAt === null ? '' : `,"expiresAt":"${isoTime(entry.expiresAt)}"`
  return `{"key":${JSON.stringify(entry.key)},"value":${entry.json},"revision":${entry.revision},"updatedAt":"${isoTime(entry.at)}","time":"${isoTime(entry.time)}"${expiry}}`
}

export function changeText(change: Change): string {
  const what = change.json === null ? '"op":"delete"' : `"op":"put","value":${change.json}`
  return `{"key":${JSON.stringify(change.key)},${what},"revision":${change.revision},"at":"${isoTime(change.at)}","time":"${isoTime(change.time)}"}`
}
