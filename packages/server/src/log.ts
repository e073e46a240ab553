import { type Logger, pino } from 'pino'
import pretty from 'pino-pretty'
import type { Config } from './config.ts'

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
  if (!(error instanceof Error)) return { message: withoutAccounts(String(error)) }
  const { name, message, stack = '', cause } = error
  const { code } = error as { code?: unknown }
  const clean = (text: string) => withoutAccounts(quotesValues(error) ? withoutQuoted(text) : text)
  return {
    type: name,
    message: clean(message),
    ...(code !== undefined && { code }),
    stack: clean(stack),
    ...(cause !== undefined && { cause: describeError(cause) }),
  }
}

/** User and password of every address in it. */
export function withoutAccounts(text: string): string {
  return text.replace(/(\w:\/\/)[^\s/]*@/g, '$1…@')
}

/** Whether it is an exception of PostgreSQL's about data (SQLSTATE 22 and 23): their messages quote it. */
function quotesValues(error: Error): boolean {
  const { code, severity, original } = error as { code?: unknown; severity?: unknown; original?: unknown }
  if (original instanceof Error) return quotesValues(original)
  return severity !== undefined && /^2[23]/.test(String(code))
}

function withoutQuoted(text: string): string {
  return text.replace(/"[^"]*"/g, '"…"')
}
