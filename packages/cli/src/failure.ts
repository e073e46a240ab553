import type { LiveKVError } from '@livekv/client'

/** What the process ends with; docs/cli.md has the same list. */
export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  notFound: 3,
  conflict: 4,
  unavailable: 5,
  interrupted: 130,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** Ends a command: `message` is shown as one line, so it names the value and the remedy. */
export class Failure extends Error {
  override readonly name = 'Failure'
  readonly exitCode: ExitCode
  /** For `--json`: one of the protocol's codes, or one of the command line's own (`USAGE`, `NO_SERVER`…). */
  readonly code: string
  /** What else the server said about it. */
  readonly details: Readonly<Record<string, unknown>>

  constructor(exitCode: ExitCode, code: string, message: string, details: Record<string, unknown> = {}) {
    super(message)
    this.exitCode = exitCode
    this.code = code
    this.details = details
  }
}

export function usage(message: string): Failure {
  return new Failure(EXIT.usage, 'USAGE', message)
}

/** The failure for what the server or the client refused. */
export function failureOf(error: LiveKVError): Failure {
  return new Failure(exitCodeOf(error), error.code, error.message, error.details)
}

function exitCodeOf({ code, status }: LiveKVError): ExitCode {
  if (code === 'KEY_NOT_FOUND') return EXIT.notFound
  if (status === 409 || status === 412) return EXIT.conflict
  return status === 503 || code === 'UNREACHABLE' ? EXIT.unavailable : EXIT.failure
}

/** `why` is what that means for the command. */
export function noValue(key: string, why: string): Failure {
  return new Failure(EXIT.notFound, 'KEY_NOT_FOUND', `The key ${shown(key)} has no value${why}.`)
}

/** A value as it is named in a message. */
export function shown(value: string): string {
  const text = JSON.stringify(value)
  return text.length > 80 ? `${text.slice(0, 79)}…` : text
}
