import { createReadStream } from 'node:fs'
import { exportedRow } from './change-text.ts'
import { EXIT, Failure, shown } from './failure.ts'
import type { ImportRow, ImportWrite } from './import-row.ts'
import { rawFields } from './raw-json.ts'

const MAX_LINE_CHARS = 5 * 1024 * 1024

/** The lines of a file as `export` makes it, read as fast as they are taken. */
export async function* ndjsonRows(path: string, keyPrefix: string): AsyncGenerator<ImportRow> {
  let number = 0
  for await (const text of lines(path)) {
    number++
    if (text.trim() === '') continue
    try {
      yield { line: number, writes: [toWrite(text, keyPrefix)] }
    } catch (error) {
      yield { line: number, problem: (error as Error).message }
    }
  }
}

function toWrite(text: string, keyPrefix: string): ImportWrite {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    throw new Error(`it is not JSON (${(error as Error).message}); correct it`)
  }
  if (parsed === null || typeof parsed !== 'object' || Array.isArray(parsed))
    throw new Error(`${shown(text)} is not an object; a line is {"key":…,"value":…,"time":…}`)
  const raw = rawFields(text)
  const row = new Map<string, string>()
  for (const name of ['op', 'key', 'time'] as const) {
    const value = (parsed as Record<string, unknown>)[name]
    if (value === undefined) continue
    if (typeof value !== 'string') throw new Error(`its ${name} is ${raw.get(name)}; it must be a string`)
    row.set(name, value)
  }
  const json = raw.get('value')
  if (json !== undefined) row.set('value', json)
  return exportedRow(row, keyPrefix)
}

/** Not node:readline, which also breaks lines at U+2028 and U+2029; JSON strings may hold them. */
async function* lines(path: string): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of createReadStream(path, 'utf8') as AsyncIterable<string>) {
    const parts = (rest + chunk).split('\n')
    rest = parts.pop()!
    if (rest.length > MAX_LINE_CHARS)
      throw new Failure(
        EXIT.failure,
        'BAD_FILE',
        `${path} has a line of over 5 MiB; it is not an export. Is it NDJSON?`,
      )
    yield* parts
  }
  if (rest !== '') yield rest
}
