/**
 * The text of one change in an export, and back. `key` and `time` restore the history when it is imported;
 * `revision` and `at` say where the change stood in the exported store, and are given anew by the other one.
 */
import type { Change } from '@livekv/client'
import { shown } from './failure.ts'
import type { ImportWrite } from './import-row.ts'
import { textOf, writtenJson } from './json-text.ts'
import { oneLine } from './raw-json.ts'
import { parseTime } from './time-text.ts'

export const EXPORT_COLUMNS = ['op', 'key', 'value', 'time', 'revision', 'at'] as const

/** A delete has no value. */
export function toNdjson(change: Change): string {
  const { op, key, revision, at, time } = change
  const value = change.op === 'put' ? change.value : undefined
  return `${oneLine(writtenJson.stringify({ op, key, value, time, revision, at }))}\n`
}

/** The value is JSON text here too, so that a number and a string of digits stay apart. */
export function toCsv(change: Change): string {
  const { op, key, revision, at, time } = change
  const value = change.op === 'put' ? textOf(change.value) : ''
  return `${[op, key, value, time, String(revision), at].map(quoted).join(',')}\n`
}

export const CSV_HEADER = `${EXPORT_COLUMNS.join(',')}\n`

function quoted(cell: string): string {
  return /[",\r\n]|^\s|\s$/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell
}

/** One exported change: `value` as JSON text, the rest as text. Throws an `Error` that says what is wrong. */
export function exportedRow(row: Map<string, string>, keyPrefix: string): ImportWrite {
  const op = row.get('op') ?? 'put'
  const key = row.get('key') ?? ''
  if (key === '') throw new Error('it has no key; a line of an export has "key", "value" and "time"')
  const time = row.get('time')
  const write = {
    key: `${keyPrefix}${key}`,
    timeMs: time === undefined || time === '' ? undefined : parseTime(time),
  }
  if (op === 'delete') return { ...write, op }
  if (op !== 'put') throw new Error(`the op ${shown(op)} is neither "put" nor "delete"; correct it`)
  const json = row.get('value')
  if (json === undefined) throw new Error('it has no value; give it one, or "op":"delete"')
  try {
    JSON.parse(json)
  } catch {
    throw new Error(`the value ${shown(json)} is not JSON; a string needs double quotes`)
  }
  return { ...write, op, json }
}
