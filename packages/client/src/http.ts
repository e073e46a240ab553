import type { ErrorCode } from '@livekv/protocol'
import { isErrorBody, LiveKVError } from './error.ts'
import type { JsonCodec } from './json-codec.ts'

const TIMEOUT_MS = 15_000

type Query = Record<string, string | number | undefined>

/** The server's HTTP API. Everything that fails is a LiveKVError. */
export class Http {
  readonly #base: string
  readonly #json: JsonCodec
  readonly #closed = new AbortController()

  constructor(url: URL, json: JsonCodec) {
    this.#json = json
    this.#base = url.origin + url.pathname.replace(/\/$/, '')
  }

  /** Answers undefined where the server answers with the code `absent`. */
  async get<T>(path: string, query: Query, absent?: ErrorCode): Promise<T> {
    const given = Object.entries(query).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, String(value)] as [string, string]],
    )
    return this.#call<T>(`${path}?${new URLSearchParams(given)}`, {}, absent)
  }

  /** `body` is JSON text. */
  async post<T>(path: string, body: string): Promise<T> {
    return this.#call<T>(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    })
  }

  /** Resolves after the time, at once when it is closed. */
  pause(ms: number): Promise<void> {
    const { signal } = this.#closed
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', end)
        resolve()
      }
      const timer = setTimeout(end, ms)
      signal.addEventListener('abort', end)
      if (signal.aborted) end()
    })
  }

  close(): void {
    this.#closed.abort()
  }

  async #call<T>(path: string, init: RequestInit, absent?: ErrorCode): Promise<T> {
    const { signal } = this.#closed
    if (signal.aborted) throw closedError()
    const ending = new AbortController()
    const end = () => ending.abort()
    const timeout = setTimeout(end, TIMEOUT_MS)
    signal.addEventListener('abort', end)
    let response: Response
    let text: string
    try {
      response = await fetch(this.#base + path, { ...init, cache: 'no-store', signal: ending.signal })
      text = await response.text()
    } catch (error) {
      if (signal.aborted) throw closedError()
      const why = ending.signal.aborted ? `no answer within ${TIMEOUT_MS / 1000} s` : reasonOf(error as Error)
      throw new LiveKVError('UNREACHABLE', `${this.#base} could not be reached: ${why}.`, {}, error)
    } finally {
      clearTimeout(timeout)
      signal.removeEventListener('abort', end)
    }
    const answer = parsed(text, this.#json)
    if (response.ok && answer !== undefined) return answer as T
    if (typeof answer === 'object' && answer !== null && isErrorBody(answer)) {
      if (absent !== undefined && answer.code === absent) return undefined as T
      throw LiveKVError.of(answer)
    }
    throw new LiveKVError(
      response.status >= 500 ? 'UNREACHABLE' : 'INVALID_REQUEST',
      `${this.#base} answered ${response.status} and not as a LiveKV server does. Is the address right?`,
    )
  }
}

/** Node's fetch says "fetch failed", and why in its cause. */
function reasonOf({ message, cause }: Error): string {
  const { code, message: why } = (cause ?? {}) as { code?: string; message?: string }
  return why || code || message
}

export function closedError(): LiveKVError {
  return new LiveKVError('CLIENT_CLOSED', 'The client was closed. Make a new one with createClient.')
}

function parsed(text: string, json: JsonCodec): unknown {
  try {
    return json.parse(text)
  } catch {
    return undefined
  }
}
