import type { LiveKVError } from '@livekv/protocol'
import { type Logger, pino } from 'pino'
import pretty from 'pino-pretty'
import type { Config } from './config.ts'
import { errorText, reasonBehind, stackText } from './error-text.ts'

export type Log = Logger

/** Readable in a terminal, one JSON object a line elsewhere. Values and secrets are never handed to it. */
export function createLog(config: Pick<Config, 'logLevel'>): Log {
  const options = {
    level: config.logLevel,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: describeError },
  }
  if (!process.stdout.isTTY) return pino(options, pino.destination({ dest: 1, sync: true }))
  return pino(
    options,
    pretty({ colorize: true, sync: true, translateTime: 'SYS:HH:MM:ss.l', singleLine: true }),
  )
}

/** Named fields only: a driver's error carries the statement's parameters, which are values. */
export function describeError(error: unknown): object {
  if (!(error instanceof Error)) return { message: errorText(error) }
  const { name, cause } = error
  const { code } = error as { code?: unknown }
  return {
    type: name,
    message: errorText(error),
    ...(code !== undefined && { code }),
    stack: stackText(error),
    ...(cause !== undefined && { cause: describeError(cause) }),
  }
}

/** An error that the client was told. What the client did wrong is said by the code alone: the message repeats what it sent. */
export function logTold(log: Log, at: object, error: LiveKVError): void {
  const details = { ...at, code: error.code }
  if (error.status >= 500) log.warn({ ...details, ...reasonBehind(error) }, error.message)
  else log.debug(details, 'a request was refused')
}
