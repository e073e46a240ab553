/**
 * The text of one change in an export, and back. `key` and `time` restore the history when it is imported;
 * `revision` and `at` say where the change stood in the exported store, and are given anew by the other one.
 */
import { shown } from './failure.ts'
import type { ImportWrite } from './import-row.ts'
import { oneLine } from './raw-json.ts'
import { parseTime } from './time-text.ts'

export const EXPORT_COLUMNS = ['op', 'key', 'value', 'time', 'revision', 'at'] as const

/** From the raw fields of a change as the API gives it. A delete has no value. */
export function toNdjson(fields: Map<string, string>): string {
  const members = EXPORT_COLUMNS.filter((name) => fields.has(name)).map(
    (name) => `"${name}":${oneLine(fields.get(name)!)}`,
  )
  return `{${members.join(',')}}\n`
}

/** The value is JSON text here too, so that a number and a string of digits stay apart. */
export function toCsv(fields: Map<string, string>): string {
  const cells = EXPORT_COLUMNS.map((name) => {
    const json = fields.get(name) ?? ''
    return quoted(
      name === 'value' || name === 'revision' || json === '' ? json : (JSON.parse(json) as string),
    )
  })
  return `${cells.join(',')}\n`
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
