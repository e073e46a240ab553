/**
 * Every error a client can be told, with its HTTP status. `retryable` means: the same request may succeed
 * later and repeating it does no harm (for `COMMIT_UNKNOWN` only when the write carries an idempotency key).
 * The descriptions are the text of docs/errors.md.
 */
export const ERRORS = {
  INVALID_REQUEST: {
    status: 400,
    retryable: false,
    description:
      'A field is missing, has the wrong type or is out of range. The message names the field, its value and what is allowed.',
  },
  INVALID_JSON: {
    status: 400,
    retryable: false,
    description: 'The body is not valid JSON. The message says where it stops being so.',
  },
  INVALID_KEY: {
    status: 400,
    retryable: false,
    description: 'A key is 1 to 512 bytes of UTF-8 without control characters or lone surrogates.',
  },
  INVALID_VALUE: {
    status: 400,
    retryable: false,
    description:
      'The value cannot be stored: a number that is not finite as a double, nesting that is too deep, a lone surrogate, or text PostgreSQL refuses.',
  },
  INVALID_CURSOR: {
    status: 400,
    retryable: false,
    description: 'The cursor was not made by this server for this query. Start again without one.',
  },
  ORIGIN_NOT_ALLOWED: {
    status: 403,
    retryable: false,
    description: 'A browser page of another origin called. Add the origin to `ALLOWED_ORIGINS`.',
  },
  KEY_NOT_FOUND: { status: 404, retryable: false, description: 'The key has no value now.' },
  ROUTE_NOT_FOUND: {
    status: 404,
    retryable: false,
    description: 'There is no such address. docs/protocol.md lists them all.',
  },
  METHOD_NOT_ALLOWED: {
    status: 405,
    retryable: false,
    description: 'The address exists, but not for this method; the `Allow` header lists those that do.',
  },
  REVISION_CONFLICT: {
    status: 412,
    retryable: false,
    description:
      'The condition of the write (`ifRevision`, `ifAbsent`, `If-Match`, `If-None-Match`) does not hold; `revision` is the key’s current one (0: no value).',
  },
  NOT_A_NUMBER: {
    status: 409,
    retryable: false,
    description: 'An increment of a value that is not a number, or a result beyond the range of a double.',
  },
  ATOMIC_ABORTED: {
    status: 409,
    retryable: false,
    description:
      'Another item of the same atomic batch failed, so this one was not applied. Nothing of the batch was.',
  },
  REVISION_COMPACTED: {
    status: 410,
    retryable: false,
    description:
      'The log no longer holds what was asked; `compactedThrough` is the last revision that is gone. Take a snapshot and go on from its revision.',
  },
  BODY_TOO_LARGE: {
    status: 413,
    retryable: false,
    description: 'The body is above `MAX_BODY_BYTES`. Split it.',
  },
  VALUE_TOO_LARGE: {
    status: 413,
    retryable: false,
    description: 'The value is above `MAX_VALUE_BYTES` as JSON text.',
  },
  BATCH_TOO_LARGE: {
    status: 413,
    retryable: false,
    description: 'More items than `MAX_BATCH_ITEMS` in one request. Split it.',
  },
  SELECTION_TOO_LARGE: {
    status: 413,
    retryable: false,
    description: 'A watch selects more keys than 100,000. Watch a longer prefix, or fewer keys.',
  },
  UNSUPPORTED_MEDIA_TYPE: {
    status: 415,
    retryable: false,
    description: 'Writes are `Content-Type: application/json`, in UTF-8.',
  },
  IDEMPOTENCY_MISMATCH: {
    status: 422,
    retryable: false,
    description: 'The idempotency key was used before for another write. Use a new key for a new write.',
  },
  SUBSCRIPTION_LIMIT: {
    status: 429,
    retryable: false,
    description:
      'A socket follows as many keys, or has as many watches, as one socket may. End some, watch a prefix, or open another socket; classic sockets also get every key by the `update` event.',
  },
  RATE_LIMITED: {
    status: 429,
    retryable: true,
    description:
      'This client address has used up what it may write or read in a window (`RATE_LIMIT_WRITES`, `RATE_LIMIT_READS`); nothing of the request was done. Try again after `retryAfterSeconds`, and more slowly. Behind a proxy see `TRUST_PROXY`.',
  },
  OVERLOADED: {
    status: 503,
    retryable: true,
    description:
      'The write queue is full; nothing of the request was applied. Try again after `Retry-After` seconds.',
  },
  COMMIT_UNKNOWN: {
    status: 503,
    retryable: true,
    description:
      'The database did not say in time whether the write was committed: it may have been or not. Retry with the same idempotency key; without one, read first.',
  },
  STORE_FAILED: {
    status: 503,
    retryable: true,
    description:
      'The store could not be reached or has failed. `outcome` says whether the write was applied: `not-applied`, or `unknown` if it was under way (then as for `COMMIT_UNKNOWN`). The log of the server says why.',
  },
  REVISION_NOT_REACHED: {
    status: 503,
    retryable: true,
    description:
      'A read asked for `atLeast` a revision that this instance has not reached in time; or it was asked whether it is ready, and is not that far.',
  },
  SHUTTING_DOWN: {
    status: 503,
    retryable: true,
    description: 'This instance is stopping; the request was not taken. Use another one or try again.',
  },
  INTERNAL: {
    status: 500,
    retryable: false,
    description: 'A fault of the server; its log has the details under the request’s id.',
  },
} as const satisfies Record<string, { status: number; retryable: boolean; description: string }>

export type ErrorCode = keyof typeof ERRORS

/** The one shape of an error on the wire; `details` are spread beside `error` and `code`. */
export interface ErrorBody {
  error: string
  code: ErrorCode
  [detail: string]: unknown
}

/**
 * The one error class. `message` names the value and the remedy and is shown to clients as it is:
 * it must not hold secrets. `details` must be JSON.
 */
export class LiveKVError extends Error {
  override readonly name = 'LiveKVError'
  readonly code: ErrorCode
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, details: Record<string, unknown> = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.details = details
  }

  get status(): number {
    return ERRORS[this.code].status
  }

  get retryable(): boolean {
    return ERRORS[this.code].retryable
  }

  toBody(): ErrorBody {
    return { error: this.message, code: this.code, ...this.details }
  }
}
