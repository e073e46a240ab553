import { setTimeout as sleep } from 'node:timers/promises'
import { ERRORS, type ErrorCode } from '@livekv/protocol'
import { EXIT, Failure, serverFailure } from './failure.ts'

const REQUEST_TIMEOUT_MS = 30_000
const MAX_WAIT_MS = 2_000

export interface ApiRequest {
  method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  path: string
  query?: Record<string, string | number | undefined>
  /** JSON text. A write carries an idempotency key, because it may be sent more than once. */
  body?: string
}

/**
 * The HTTP API, in texts: values keep their digits.
 *
 * A lost answer, or one that says "try again", is tried again for `patienceMs`. But a server that cannot
 * be reached by the first request of all is not there, and that fails at once.
 */
export class Api {
  readonly url: string
  private readonly patienceMs: number
  private readonly signal: AbortSignal
  /** False: no request has got anywhere. */
  hasAnswered = false

  constructor(url: string, patienceMs: number, signal: AbortSignal) {
    this.url = url
    this.patienceMs = patienceMs
    this.signal = signal
  }

  /** The text of a 2xx answer; everything else is a `Failure`. */
  async request(request: ApiRequest): Promise<string> {
    const deadline = Date.now() + this.patienceMs
    for (let attempt = 0; ; attempt++) {
      const outcome = await this.attempt(request)
      if (typeof outcome === 'string') return outcome
      const waitMs = outcome.waitMs ?? Math.min(MAX_WAIT_MS, 100 * 2 ** attempt) * (0.5 + Math.random() / 2)
      if (!outcome.again || Date.now() + waitMs > deadline) throw outcome.failure
      await sleep(waitMs, undefined, { signal: this.signal })
    }
  }

  private async attempt(
    request: ApiRequest,
  ): Promise<string | { failure: Failure; again: boolean; waitMs?: number }> {
    let response: Response
    let text: string
    try {
      response = await fetch(this.address(request), {
        method: request.method,
        ...(request.body === undefined
          ? {}
          : { body: request.body, headers: { 'content-type': 'application/json' } }),
        signal: AbortSignal.any([this.signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]),
      })
      text = await response.text()
    } catch (error) {
      this.signal.throwIfAborted()
      const again = this.hasAnswered || ['ECONNRESET', 'UND_ERR_SOCKET'].includes(reason(error))
      return { failure: this.unreachable(error), again }
    }
    this.hasAnswered = true
    if (response.ok) return text
    const { code, error: message, ...details } = errorOf(response, text)
    const again = ERRORS[code as ErrorCode]?.retryable ?? [502, 503, 504].includes(response.status)
    const retryAfter = Number(response.headers.get('retry-after') ?? NaN)
    return {
      failure: serverFailure(code, message, details),
      again,
      ...(Number.isFinite(retryAfter) ? { waitMs: retryAfter * 1000 } : {}),
    }
  }

  private address({ path, query = {} }: ApiRequest): URL {
    const address = new URL(this.url)
    address.pathname = `${address.pathname.replace(/\/$/, '')}${path}`
    for (const [name, value] of Object.entries(query))
      if (value !== undefined) address.searchParams.set(name, String(value))
    return address
  }

  private unreachable(error: unknown): Failure {
    const why = reason(error)
    if (why === 'ECONNREFUSED')
      return new Failure(
        EXIT.unavailable,
        'NO_SERVER',
        `No server answers at ${this.url}. Start one with "npm start", or name another with --url or LIVEKV_URL.`,
      )
    return new Failure(
      EXIT.unavailable,
      'UNREACHABLE',
      `No answer from ${this.url} (${why}). Check that the address is right and that a LiveKV server runs there.`,
    )
  }
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'TimeoutError') return `no answer in ${REQUEST_TIMEOUT_MS / 1000} s`
  const cause = error.cause as { code?: string; message?: string } | undefined
  return cause?.code ?? cause?.message ?? error.message
}

function errorOf(
  response: Response,
  text: string,
): { code: string; error: string; [detail: string]: unknown } {
  try {
    const body = JSON.parse(text) as { error: string; code: string }
    if (typeof body.error === 'string' && typeof body.code === 'string') return body
  } catch {
    // Not LiveKV's: a proxy's page.
  }
  return {
    code: 'UNEXPECTED_ANSWER',
    error: `${response.url} answered ${response.status} ${response.statusText}, which is not LiveKV's. Check --url.`,
  }
}
