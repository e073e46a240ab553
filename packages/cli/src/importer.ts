/**
 * An import reads its file twice: file -> check every row, fingerprint the content -> write.
 * So a bad row is found before anything is written, and the fingerprint (of content and mapping) with a row's
 * number makes the idempotency key of a write: running the same import again writes what is missing only, for as
 * long as the server remembers the keys.
 */
import { createHash, randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { Context } from './context.ts'
import { EXIT, Failure } from './failure.ts'
import type { ImportRow } from './import-row.ts'
import { createProgress } from './progress.ts'
import { Writer, type Written } from './writer.ts'

const MAX_SHOWN_PROBLEMS = 10

export interface ImportJob {
  path: string
  rows: () => AsyncIterable<ImportRow>
  /** What else but the file's content decides what is written. */
  mapping: unknown
  skipBad: boolean
  /** Forget earlier runs: write every row. */
  again: boolean
}

export interface ImportSummary extends Written {
  rows: number
  skipped: number
}

export async function runImport(context: Context, job: ImportJob): Promise<ImportSummary> {
  const id = await fingerprint(job)
  const { good, bad } = await checkRows(context, job)
  if (bad > 0 && !job.skipBad)
    throw new Failure(
      EXIT.failure,
      'BAD_ROWS',
      `${bad} of ${good + bad} rows of ${job.path} cannot be imported (above), so nothing was written. Correct them, or leave them out with --skip-bad.`,
    )
  const written = await write(context, job, id, good)
  return { rows: good, skipped: bad, ...written }
}

/** That there is one, and that it can be read twice. */
export async function checkFile(path: string): Promise<void> {
  const info = await stat(path).catch((error: NodeJS.ErrnoException) => {
    const why = error.code === 'ENOENT' ? 'does not exist' : `cannot be read (${error.code})`
    throw new Failure(EXIT.failure, 'BAD_FILE', `The file ${path} ${why}. Check the path.`)
  })
  if (!info.isFile())
    throw new Failure(
      EXIT.failure,
      'BAD_FILE',
      `${path} is not a plain file, and it is read twice. Save it to a file first.`,
    )
}

async function fingerprint(job: ImportJob): Promise<string> {
  await checkFile(job.path)
  const hash = createHash('sha256').update(JSON.stringify(job.mapping))
  const utf8 = new TextDecoder('utf-8', { fatal: true })
  let bytes = 0
  for await (const chunk of createReadStream(job.path) as AsyncIterable<Buffer>) {
    hash.update(chunk)
    try {
      utf8.decode(chunk, { stream: true })
    } catch {
      throw new Failure(
        EXIT.failure,
        'BAD_FILE',
        `${job.path} is not UTF-8 (after byte ${bytes}). Save it as UTF-8.`,
      )
    }
    bytes += chunk.length
  }
  return job.again ? randomUUID() : hash.digest('hex').slice(0, 32)
}

/** Names the bad rows, the first of them, on standard error. */
export async function checkRows(
  context: Context,
  job: Pick<ImportJob, 'path' | 'rows' | 'skipBad'>,
): Promise<{ good: number; bad: number }> {
  let good = 0
  let bad = 0
  for await (const row of job.rows()) {
    context.signal.throwIfAborted()
    if (!('problem' in row)) {
      good++
      continue
    }
    bad++
    if (bad <= MAX_SHOWN_PROBLEMS)
      say(`${job.path}, line ${row.line}: ${row.problem}${job.skipBad ? ' (skipped)' : ''}`)
    else if (bad === MAX_SHOWN_PROBLEMS + 1) say(`${job.path}: there are more bad rows.`)
  }
  return { good, bad }
}

async function write(context: Context, job: ImportJob, id: string, total: number): Promise<Written> {
  const progress = createProgress(`import ${job.path}`, 'rows')
  const writer = new Writer(context.server, {
    refused: (line, failure) => {
      if (!job.skipBad)
        throw new Failure(failure.exitCode, failure.code, `${job.path}, line ${line}: ${failure.message}`)
      progress.stop()
      say(`${job.path}, line ${line}: ${failure.message} (skipped)`)
    },
    answered: (row) => progress.update(row),
  })
  progress.start(total)
  let [number, done] = [0, 0]
  try {
    for await (const row of job.rows()) {
      number++
      if ('problem' in row) continue
      done++
      for (const [index, item] of row.writes.entries())
        await writer.write({ line: row.line, row: done }, item, `${id}:${number}:${index}`)
    }
    await writer.flush()
  } catch (error) {
    progress.stop()
    throw stopped(context, job, writer.written, error)
  } finally {
    progress.stop()
  }
  return writer.written
}

function stopped(context: Context, job: ImportJob, { applied, repeated }: Written, error: unknown): Failure {
  const cause = error instanceof Failure ? error : undefined
  const why = context.signal.aborted ? 'Interrupted.' : (error as Error).message
  const exitCode = context.signal.aborted ? EXIT.interrupted : (cause?.exitCode ?? EXIT.failure)
  const code = context.signal.aborted ? 'INTERRUPTED' : (cause?.code ?? 'INTERNAL')
  // No connection was ever made. Anything else may have reached the server, even without an answer.
  if (!context.server.isThere) return new Failure(exitCode, code, `${why} Nothing was written.`)
  const rest = job.again
    ? 'The batch under way may be too: look at the history before you import the rest.'
    : 'Run the same command again within 10 minutes and only what is missing is written; later, rows would be written twice.'
  return new Failure(
    exitCode,
    code,
    `${why} ${applied + repeated} writes of ${job.path} are known to be stored. ${rest}`,
  )
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}
