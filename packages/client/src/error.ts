import type { ERRORS, ErrorBody, ErrorCode } from '@livekv/protocol'

/** The server's codes, without the text of the documentation; the compiler compares both tables. */
const STATUS = {
  INVALID_REQUEST: 400,
  INVALID_JSON: 400,
  INVALID_KEY: 400,
  INVALID_VALUE: 400,
  INVALID_CURSOR: 400,
  ORIGIN_NOT_ALLOWED: 403,
  KEY_NOT_FOUND: 404,
  ROUTE_NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  REVISION_CONFLICT: 412,
  NOT_A_NUMBER: 409,
  ATOMIC_ABORTED: 409,
  REVISION_COMPACTED: 410,
  BODY_TOO_LARGE: 413,
  VALUE_TOO_LARGE: 413,
  BATCH_TOO_LARGE: 413,
  SELECTION_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  IDEMPOTENCY_MISMATCH: 422,
  SUBSCRIPTION_LIMIT: 429,
  RATE_LIMITED: 429,
  OVERLOADED: 503,
  COMMIT_UNKNOWN: 503,
  STORE_FAILED: 503,
  REVISION_NOT_REACHED: 503,
  SHUTTING_DOWN: 503,
  INTERNAL: 500,
} as const satisfies { [Code in ErrorCode]: (typeof ERRORS)[Code]['status'] }

type RetryableCode = {
  [Code in ErrorCode]: (typeof ERRORS)[Code]['retryable'] extends true ? Code : never
}[ErrorCode]

const RETRYABLE: Readonly<Record<RetryableCode, true>> = {
  RATE_LIMITED: true,
  OVERLOADED: true,
  COMMIT_UNKNOWN: true,
  STORE_FAILED: true,
  REVISION_NOT_REACHED: true,
  SHUTTING_DOWN: true,
}

/**
 * What only the client says. `UNREACHABLE`: the server did not answer; a write with it was never sent.
 * `CLIENT_CLOSED`: `close()` was called first.
 */
export type ClientErrorCode = 'UNREACHABLE' | 'CLIENT_CLOSED'

/**
 * Every error of the client. The message names the value and the remedy; `details` are the server's further fields;
 * `cause` is the network's own error, where there was one.
 */
export class LiveKVError extends Error {
  override readonly name = 'LiveKVError'
  readonly code: ErrorCode | ClientErrorCode
  /** As over HTTP; 0 for what only the client says. */
  readonly status: number
  readonly details: Readonly<Record<string, unknown>>

  constructor(
    code: ErrorCode | ClientErrorCode,
    message: string,
    details: Record<string, unknown> = {},
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    // A newer server may know codes that this table does not.
    this.status = code === 'UNREACHABLE' || code === 'CLIENT_CLOSED' ? 0 : (STATUS[code] ?? 500)
    this.details = details
  }

  /** The same request may succeed later. */
  get retryable(): boolean {
    return this.code === 'UNREACHABLE' || this.code in RETRYABLE
  }

  static of(body: ErrorBody): LiveKVError {
    const { error, code, status: _status, ...details } = body
    return new LiveKVError(code, error, details)
  }
}

export function isErrorBody(answer: object): answer is ErrorBody {
  return 'code' in answer && 'error' in answer
}

/** A value in a message: its JSON, cut. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}
