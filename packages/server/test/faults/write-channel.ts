/** One way to send writes: HTTP, a live socket, or the client library. What a try comes to is the same for all. */
import { ERRORS, type WriteAnswer, type WriteRequest } from '@livekv/protocol'
import { type HttpClient, NotSent } from '../sigkill/http-client.ts'

export type Item =
  | { status: 'applied' | 'unchanged'; revision: number; value?: unknown }
  /** Decided for good: the condition does not hold, there is nothing to touch, … */
  | { status: 'refused'; code: string }
  /** Of this one it is not known, though of others it is. */
  | { status: 'unknown'; code: string }

export type Try =
  | { outcome: 'answered'; items: Item[] }
  /** Nothing was applied by this try, and nothing decided: the same may be sent again. */
  | { outcome: 'notApplied'; why: string }
  | { outcome: 'unknown'; why: string }

export interface WriteChannel {
  /** Whether it takes batches that are applied whole or not at all. */
  readonly isAtomicKnown: boolean
  /** Several, or one; without `atomic` each by itself. Never rejects. */
  send(writes: readonly WriteRequest[], atomic: boolean): Promise<Try>
  close(): void
}

/** Over HTTP, each kind of write by its own route. */
export class HttpChannel implements WriteChannel {
  readonly isAtomicKnown = true
  readonly #client: HttpClient

  constructor(client: HttpClient) {
    this.#client = client
  }

  async send(writes: readonly WriteRequest[], atomic: boolean): Promise<Try> {
    const [method, path, body] =
      writes.length > 1 || atomic ? batchRequest(writes, atomic) : request(writes[0]!)
    try {
      const answer = await this.#client.send(method, path, body)
      if (answer.status !== 200) return refusal(answer.body, `${answer.status}`, writes.length)
      return {
        outcome: 'answered',
        items: answer.body.results?.map(itemOf) ?? [itemOf({ status: 'applied', ...answer.body })],
      }
    } catch (error) {
      const why = (error as Error).message
      return error instanceof NotSent ? { outcome: 'notApplied', why } : { outcome: 'unknown', why }
    }
  }

  close(): void {
    this.#client.close()
  }
}

type Request = [method: string, path: string, body?: unknown]

function batchRequest(writes: readonly WriteRequest[], atomic: boolean): Request {
  return ['POST', '/api/v1/batch', { writes, atomic }]
}

function request({ op, key, ...rest }: WriteRequest): Request {
  const path = `/api/v1/entries/${encodeURIComponent(key)}`
  switch (op) {
    case 'put':
      // What has only a value goes the classic way.
      return Object.keys(rest).length === 1 ? ['POST', '/add', { key, ...rest }] : ['PUT', path, rest]
    case 'delete': {
      const query = Object.entries(rest).map(
        ([name, value]) => `${name}=${encodeURIComponent(String(value))}`,
      )
      return ['DELETE', `${path}?${query.join('&')}`]
    }
    default:
      return ['PATCH', path, { op, ...rest }]
  }
}

export function itemOf(answer: WriteAnswer & { status?: string }): Item {
  if (!('error' in answer)) {
    const { status, revision, value } = answer
    return { status, revision, ...(value !== undefined && { value }) }
  }
  const tried = refusal(answer, '200', 1)
  return tried.outcome === 'answered' ? tried.items[0]! : { status: 'unknown', code: answer.code }
}

/** `count` writes were asked for, and the answer to all is an error. */
export function refusal(body: unknown, where: string, count: number): Try {
  const { code, outcome, error } = Object(body) as { code?: string; outcome?: string; error?: string }
  const why = `${where} ${code ?? String(error ?? body).slice(0, 60)}`
  if (code === undefined || !(code in ERRORS)) return { outcome: 'unknown', why }
  if (NOT_TAKEN.has(code) || (code === 'STORE_FAILED' && outcome === 'not-applied'))
    return { outcome: 'notApplied', why }
  const isDecided = ERRORS[code as keyof typeof ERRORS].status < 500
  if (!isDecided) return { outcome: 'unknown', why }
  return { outcome: 'answered', items: Array.from({ length: count }, () => ({ status: 'refused', code })) }
}

const NOT_TAKEN = new Set(['OVERLOADED', 'SHUTTING_DOWN', 'RATE_LIMITED'])
