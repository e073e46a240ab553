/**
 * Start-up while PostgreSQL is away:
 *
 *   open -> opened
 *        -> what waiting cannot mend (password, version, settings, TLS)        StartError at once
 *        -> nobody answers, or a server that is starting, stopping or full     said, tried again with growing pauses
 *             -> still so after `timeoutMs`                                    StartError with the last reason
 */
import { ExponentialBackoff, halfJitterGenerator, handleWhen, retry } from 'cockatiel'
import type { Logger } from 'pino'
import { errorText, rootOf } from '../error-text.ts'
import { StartError } from '../start-error.ts'
import { sqlStateOf } from './database.ts'
import { addressText, type DatabaseAddress } from './database-address.ts'

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 2_000
const SAY_EVERY_MS = 5_000

export interface WaitOptions {
  address: DatabaseAddress
  timeoutMs: number
  log: Logger
}

/** `open` is called until it succeeds. Rejects with StartError, or with an error that is not the database's. */
export async function waitForDatabase<T>(options: WaitOptions, open: () => Promise<T>): Promise<T> {
  const { address, timeoutMs, log } = options
  const deadline = Date.now() + timeoutMs
  let sayAt = 0
  const policy = retry(
    handleWhen((error) => {
      const leftMs = deadline - Date.now()
      if (!mayPass(error) || leftMs <= 0) return false
      if (Date.now() >= sayAt) {
        sayAt = Date.now() + SAY_EVERY_MS
        log.warn(
          `waiting for ${addressText(address)} (${errorText(rootOf(error))}), for ${Math.ceil(leftMs / 1_000)} s at most`,
        )
      }
      return true
    }),
    {
      maxAttempts: Number.POSITIVE_INFINITY,
      backoff: new ExponentialBackoff({
        initialDelay: FIRST_PAUSE_MS,
        maxDelay: LONGEST_PAUSE_MS,
        generator: halfJitterGenerator,
      }),
    },
  )
  try {
    return await policy.execute(open)
  } catch (error) {
    if (mayPass(error)) {
      throw new StartError(
        `${addressText(address)}, was not there within ${timeoutMs / 1_000} s (STARTUP_TIMEOUT): ${errorText(rootOf(error))}. Start it, or check DATABASE_URL or DB_HOST, DB_PORT and DB_NAME.`,
        { cause: error },
      )
    }
    throw explained(error, address)
  }
}

const PASSING_STATES = [
  // The server is starting or stopping, or ended the session or the statement.
  /^57/,
  // Connections, memory or disk are used up; the connection failed; another start was in the way.
  /^53/,
  /^08/,
  /^40/,
  /^55P03$/,
  // A standby that is to take over.
  /^25006$/,
]
const PASSING_CODES = [
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  // A container's name is known only when the container is there.
  'ENOTFOUND',
  'EAI_AGAIN',
  // A Unix socket is there only while its server is.
  'ENOENT',
]

/** Whether the same might succeed a little later. */
export function mayPass(error: unknown): boolean {
  if (error instanceof StartError) return false
  const cause = rootOf(error)
  const state = sqlStateOf(cause)
  if (state !== undefined) return PASSING_STATES.some((pattern) => pattern.test(state))
  const { code, message } = cause as NodeJS.ErrnoException
  if (code !== undefined) return PASSING_CODES.includes(code)
  return /timeout|timed out|terminated|no answer|no connection/i.test(message)
}

const TLS_CODES = /^(ERR_TLS|ERR_SSL|EPROTO|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|HOSTNAME_MISMATCH)/

function explained(error: unknown, address: DatabaseAddress): unknown {
  if (error instanceof StartError) return error
  const cause = rootOf(error)
  const state = sqlStateOf(cause)
  const said = `${addressText(address)}: ${errorText(cause)}`
  if (state?.startsWith('28')) {
    return new StartError(
      `The database refuses this user or password. ${said}. Check DATABASE_URL or DB_USER and DB_PASSWORD, and pg_hba.conf there.`,
      { cause: error },
    )
  }
  if (/SSL connection/.test(cause.message)) {
    return new StartError(
      `${said}. Turn on ssl there, or write sslmode=disable in DATABASE_URL if the way there is safe.`,
      { cause: error },
    )
  }
  if (TLS_CODES.test((cause as NodeJS.ErrnoException).code ?? '')) {
    return new StartError(
      `The certificate is not accepted. ${said}. Give its authority with sslrootcert=/path/to/ca.pem in DATABASE_URL; sslmode=verify-ca does not compare the host’s name.`,
      { cause: error },
    )
  }
  if (state !== undefined) return new StartError(`${said} (SQLSTATE ${state}).`, { cause: error })
  return error
}
