/**
 * file -> check every row -> order them by time -> write each when it is due.
 *
 * Rows that are due together go out in one batch, so that a replay that is behind catches up by larger batches.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Context } from './context.ts'
import { EXIT, Failure } from './failure.ts'
import type { ImportRow, ImportWrite } from './import-row.ts'
import { checkFile, checkRows } from './importer.ts'
import { createProgress } from './progress.ts'
import { Writer } from './writer.ts'

/** They are held in memory, to be put in order. */
const MAX_ROWS = 1_000_000

export type Speed = { rowsPerSecond: number } | { factor: number }

export interface ReplayJob {
  path: string
  rows: () => AsyncIterable<ImportRow>
  speed: Speed
  keepTime: boolean
}

interface Row {
  line: number
  writes: ImportWrite[]
}

export async function runReplay(
  context: Context,
  job: ReplayJob,
): Promise<{ rows: number; applied: number }> {
  await checkFile(job.path)
  const { good, bad } = await checkRows(context, { ...job, skipBad: false })
  if (bad > 0)
    throw new Failure(
      EXIT.failure,
      'BAD_ROWS',
      `${bad} of ${good + bad} rows of ${job.path} cannot be replayed (above), so nothing was written. Correct them.`,
    )
  if (good > MAX_ROWS)
    throw new Failure(
      EXIT.failure,
      'FILE_TOO_LARGE',
      `${job.path} has ${good} rows; a replay takes at most ${MAX_ROWS}. Split the file.`,
    )
  const rows = await inOrder(job)
  const applied = await write(context, job, rows)
  return { rows: rows.length, applied }
}

async function inOrder(job: ReplayJob): Promise<Row[]> {
  const rows: Row[] = []
  for await (const row of job.rows()) if ('writes' in row) rows.push(row)
  return rows.sort((a, b) => timeOf(a) - timeOf(b))
}

async function write(context: Context, { path, speed, keepTime }: ReplayJob, rows: Row[]): Promise<number> {
  const progress = createProgress(`replay ${path}`, 'rows')
  const writer = new Writer(context.server, {
    refused: (line, failure) => {
      throw new Failure(failure.exitCode, failure.code, `${path}, line ${line}: ${failure.message}`)
    },
    answered: (row) => progress.update(row),
  })
  const run = randomUUID()
  const dueMs = clock(speed, rows)
  const startedMs = performance.now()
  progress.start(rows.length)
  try {
    for (const [index, row] of rows.entries()) {
      const waitMs = startedMs + dueMs(index) - performance.now()
      if (waitMs >= 1) {
        await writer.flush()
        await wait(waitMs, context.signal)
      }
      for (const [part, item] of row.writes.entries()) {
        const written = keepTime ? item : { ...item, timeMs: undefined }
        await writer.write({ line: row.line, row: index + 1 }, written, `${run}:${index}:${part}`)
      }
    }
    await writer.flush()
  } finally {
    progress.stop()
  }
  return writer.written.applied
}

/** When a row is due, in ms after the start. */
function clock(speed: Speed, rows: Row[]): (index: number) => number {
  if ('rowsPerSecond' in speed) return (index) => (index * 1000) / speed.rowsPerSecond
  const first = rows.length === 0 ? 0 : timeOf(rows[0]!)
  return (index) => (timeOf(rows[index]!) - first) / speed.factor
}

const TIMER_MAX_MS = 2 ** 31 - 1

async function wait(ms: number, signal: AbortSignal): Promise<void> {
  for (let left = ms; left > 0; left -= TIMER_MAX_MS)
    await sleep(Math.min(left, TIMER_MAX_MS), undefined, { signal })
}

/** Rows without times stay as they are: sorting keeps the order of equals. */
function timeOf({ writes }: Row): number {
  return writes[0]?.timeMs ?? 0
}
