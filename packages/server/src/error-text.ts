/**
 * What a server or a library says of a failure, made fit to be shown: their texts echo what they were sent, and that is
 * values and passwords.
 */
import { ErrorReply } from 'redis'

/** The message of the error itself, without the values, the arguments of commands and the accounts it may hold. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return withoutAccounts(String(error))
  // An error about several addresses of one name has a code and no message.
  const said = error.message || String((error as NodeJS.ErrnoException).code ?? error.name)
  return withoutAccounts(withoutEchoes(error, said))
}

/** With the places in the code that it went through. */
export function stackText(error: unknown): string {
  if (!(error instanceof Error)) return errorText(error)
  // A stack begins with the message as it was.
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
  return withoutAccounts([`${error.name}: ${errorText(error)}`, ...frames].join('\n'))
}

/** The driver's own error, in what libraries and this server wrapped it. */
export function rootOf(error: unknown): Error {
  const { original, parent, cause } = error as { original?: unknown; parent?: unknown; cause?: unknown }
  const inner = original ?? parent ?? cause
  return inner instanceof Error ? rootOf(inner) : (error as Error)
}

/** For the log, beside a message that was written for clients and says nothing of what is behind this server. */
export function reasonBehind(error: Error): { reason?: string } {
  return error.cause === undefined ? {} : { reason: errorText(rootOf(error)) }
}

/** User and password of every address in it. */
export function withoutAccounts(text: string): string {
  return text.replace(/(\w:\/\/)[^\s/]*@/g, '$1…@')
}

/** Wherever it stands, as it is and as it is written in a URL. */
export function withoutSecret(text: string, secret: string): string {
  if (secret === '') return text
  return text.replaceAll(secret, '…').replaceAll(encodeURIComponent(secret), '…')
}

function withoutEchoes(error: Error, said: string): string {
  if (quotesValues(error)) return said.replace(/".*"/s, '"…"')
  if (error instanceof ErrorReply) return withoutArguments(said)
  return said
}

/** Whether it is an exception of PostgreSQL's about data (SQLSTATE 22 and 23): their messages quote it. */
function quotesValues(error: Error): boolean {
  const { code, severity, original } = error as { code?: unknown; severity?: unknown; original?: unknown }
  if (original instanceof Error) return quotesValues(original)
  return severity !== undefined && /^2[23]/.test(String(code))
}

/** Redis repeats the beginning of a command that it does not know; only the command's name is kept. */
function withoutArguments(said: string): string {
  const [line = ''] = said.split(/[\r\n]/, 1)
  let quotes = 0
  return line
    .replace(/,? (with args|beginning with)\b.*/s, '')
    .replace(/(['"`]).*?\1/g, (quoted) => (++quotes === 1 && /^.[\w.|-]{1,40}.$/.test(quoted) ? quoted : '…'))
}
