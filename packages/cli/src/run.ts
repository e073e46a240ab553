/**
 * The `livekv` command: arguments -> one command (program.ts, commands/) -> exit code (failure.ts).
 * Results go to standard output, everything else to standard error.
 */
import { LiveKVError } from '@livekv/client'
import { CommanderError } from 'commander'
import { withNegativeValues } from './arguments.ts'
import { EXIT, Failure, failureOf, usage } from './failure.ts'
import { createProgram } from './program.ts'

const args = process.argv.slice(2)
const end = new AbortController()
process.on('SIGINT', () => end.abort('SIGINT'))
process.on('SIGTERM', () => end.abort('SIGTERM'))
// The reader of a pipe (`| head`) has gone: there is nobody left to write for.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.ok)
  throw error
})

try {
  await createProgram(end.signal).parseAsync(withNegativeValues(args), { from: 'user' })
} catch (error) {
  process.exitCode = report(error)
  // What was printed and is not read must not hold it.
  if (end.signal.aborted) process.exit()
} finally {
  // Closes the connection, which would hold the process.
  end.abort()
}

function report(error: unknown): number {
  // Help and the version: commander has printed them.
  if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok
  if (error instanceof CommanderError && error.code === 'commander.help') return EXIT.usage
  const failure = toFailure(error)
  const line = args.includes('--json')
    ? JSON.stringify({ error: failure.message, code: failure.code, ...failure.details })
    : `livekv: ${failure.message}`.replaceAll('\n', ' ')
  process.stderr.write(`${line}\n`)
  return failure.exitCode
}

function toFailure(error: unknown): Failure {
  if (error instanceof Failure) return error
  if (error instanceof CommanderError) {
    const what = error.message.replace(/^error: /, '').replace(/\.$/, '')
    return usage(`${what}. "livekv --help" and "livekv COMMAND --help" say how it is used.`)
  }
  if (end.signal.aborted) return new Failure(EXIT.interrupted, 'INTERRUPTED', 'Interrupted.')
  if (error instanceof LiveKVError) return failureOf(error)
  const { code, message } = error as NodeJS.ErrnoException
  return new Failure(EXIT.failure, code ?? 'INTERNAL', message)
}
