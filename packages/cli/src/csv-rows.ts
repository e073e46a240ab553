import { createReadStream } from 'node:fs'
import { type CsvError, parse } from 'csv-parse'
import { cellToJson } from './cell-value.ts'
import { EXPORT_COLUMNS, exportedRow } from './change-text.ts'
import { EXIT, Failure, shown, usage } from './failure.ts'
import type { CsvMapping, ImportRow, ImportWrite } from './import-row.ts'
import { parseTime } from './time-text.ts'

type ToWrites = (cells: string[]) => ImportWrite[]

/**
 * The rows of a CSV file with a header line, in its order, read as fast as they are taken.
 * Without a mapping it must be a file that `export` made.
 */
export async function* csvRows(
  path: string,
  mapping: CsvMapping | undefined,
  keyPrefix: string,
): AsyncGenerator<ImportRow> {
  const records = createReadStream(path).pipe(
    parse({ bom: true, info: true, relax_column_count: true, skip_empty_lines: true }),
  )
  let header: string[] | undefined
  let toWrites: ToWrites = () => []
  try {
    for await (const { record, info } of records as AsyncIterable<{
      record: string[]
      info: { lines: number }
    }>) {
      if (header === undefined) {
        header = record.map((name) => name.trim())
        toWrites = rowReader(header, mapping, keyPrefix)
        continue
      }
      yield row(info.lines, record, header, toWrites)
    }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && String(error.code).startsWith('CSV_'))) throw error
    throw new Failure(
      EXIT.failure,
      'BAD_FILE',
      `${path} is not valid CSV: ${(error as CsvError).message}. Correct it.`,
    )
  }
  if (header === undefined)
    throw new Failure(
      EXIT.failure,
      'BAD_FILE',
      `${path} is empty; it needs a first line that names its columns.`,
    )
}

function row(line: number, record: string[], header: string[], toWrites: ToWrites): ImportRow {
  if (record.length !== header.length)
    return {
      line,
      problem: `it has ${record.length} cells, but the first line names ${header.length} columns; quote cells that hold a comma (${shown(record.join(','))})`,
    }
  try {
    return { line, writes: toWrites(record) }
  } catch (error) {
    return { line, problem: (error as Error).message }
  }
}

function rowReader(header: string[], mapping: CsvMapping | undefined, keyPrefix: string): ToWrites {
  if (mapping === undefined) {
    if (header.join() !== EXPORT_COLUMNS.join())
      throw usage(
        `Say what the columns mean: --key NAME or --key-column COL, and --value COL or --values COL,COL. The file has ${columnList(header)}.`,
      )
    return (cells) => [exportedRow(new Map(cells.map((cell, i) => [header[i]!, cell])), keyPrefix)]
  }
  const index = (column: string): number => {
    const at = header.indexOf(column)
    if (at === -1) throw usage(`There is no column ${shown(column)}; the file has ${columnList(header)}.`)
    return at
  }
  const keyAt = 'column' in mapping.key ? index(mapping.key.column) : undefined
  const keyName = 'name' in mapping.key ? mapping.key.name : ''
  const values = mapping.valueColumns.map((column) => ({ column, at: index(column) }))
  const timeAt = mapping.timeColumn === undefined ? undefined : index(mapping.timeColumn)
  return (cells) => {
    const name = keyAt === undefined ? keyName : cells[keyAt]!
    if (name === '') throw new Error(`the key is empty (column ${shown(header[keyAt!]!)}); fill it in`)
    const timeMs = timeAt === undefined ? undefined : parseTime(cells[timeAt]!, mapping.timeFormat)
    return values.map(({ column, at }) => ({
      op: 'put',
      key: `${mapping.keyPrefix}${name}${mapping.isSplit ? `.${column}` : ''}`,
      timeMs,
      json: inColumn(column, () => cellToJson(cells[at]!, mapping.asStrings)),
    }))
  }
}

function inColumn(column: string, read: () => string): string {
  try {
    return read()
  } catch (error) {
    throw new Error(`column ${shown(column)}: ${(error as Error).message}`)
  }
}

function columnList(header: string[]): string {
  return header.map(shown).join(', ').slice(0, 300)
}
