import { type Command, Option } from 'commander'
import { type ContextOf, print, TRANSFER_PATIENCE_MS } from '../context.ts'
import { csvRows } from '../csv-rows.ts'
import { usage } from '../failure.ts'
import type { CsvMapping } from '../import-row.ts'
import { type ImportSummary, runImport } from '../importer.ts'
import { ndjsonRows } from '../ndjson-rows.ts'
import { TIME_FORMATS, type TimeFormat } from '../time-text.ts'

interface ImportOptions {
  format?: 'csv' | 'ndjson'
  key?: string
  keyColumn?: string
  keyPrefix: string
  value?: string
  values?: string
  time?: string
  timeFormat: TimeFormat
  strings?: true
  skipBad?: true
  again?: true
}

export function addImport(program: Command, contextOf: ContextOf): void {
  program
    .command('import')
    .description('write the rows of a CSV file, or of an export, with their own times')
    .argument('<file>', 'CSV with a header line, or what "livekv export" wrote; UTF-8')
    .addOption(new Option('--format <format>', "default: by the file's name").choices(['csv', 'ndjson']))
    .option('--key <name>', 'all rows are values of this key')
    .option('--key-column <col>', 'the column that names the key')
    .option('--key-prefix <text>', 'put before every key', '')
    .option('--value <col>', 'the column with the value')
    .option('--values <cols>', 'several, with commas: each becomes the key KEY.col')
    .option('--time <col>', 'the column with the time (default: the time of the import)')
    .addOption(
      new Option('--time-format <format>', 's or ms: the times are numbers since 1970')
        .choices(TIME_FORMATS)
        .default('auto'),
    )
    .option('--strings', 'store every value as a string')
    .option('--skip-bad', 'leave bad rows out instead of stopping')
    .option('--again', 'write every row even if this file was imported just before')
    .addHelpText('after', DETAILS)
    .action(async (path: string, options: ImportOptions, command: Command) => {
      const format = options.format ?? formatOf(path)
      const mapping = format === 'csv' ? csvMapping(options) : notForNdjson(options)
      const context = contextOf(command, TRANSFER_PATIENCE_MS)
      const summary = await runImport(context, {
        path,
        rows: () =>
          format === 'csv' ? csvRows(path, mapping, options.keyPrefix) : ndjsonRows(path, options.keyPrefix),
        mapping: { format, mapping, keyPrefix: options.keyPrefix },
        skipBad: options.skipBad === true,
        again: options.again === true,
      })
      print(context.json ? JSON.stringify(summary) : asText(path, summary))
    })
}

const DETAILS = `
Values: a JSON number keeps its digits; 2,345.6 is refused; anything else is a string.
Times:  2000-01-31, 2000-01-31T09:30:00Z, "Jan 31 2000"; UTC unless they name a zone.
Order:  rows are written in the order of the file; the last row of a key is its value.
Errors: all rows are checked before the first is written. Run an interrupted import again
        (same file, same options) within 10 minutes, and nothing is written twice.

Examples:
  $ livekv import gold.csv --key gold --value Price --time Date
  $ livekv import sp500.csv --key sp500 --values open,high,low,close --time date
  $ livekv import stocks.csv --key-column symbol --key-prefix stock. --value price --time date
  $ livekv import backup.ndjson`

function formatOf(path: string): 'csv' | 'ndjson' {
  if (/\.csv$/i.test(path)) return 'csv'
  if (/\.(ndjson|jsonl)$/i.test(path)) return 'ndjson'
  throw usage(`The name ${path} does not say what the file is; add --format csv or --format ndjson.`)
}

/** Undefined: no mapping was given, so the file must be an export. */
function csvMapping(options: ImportOptions): CsvMapping | undefined {
  const { key, keyColumn, value, values } = options
  if ([key, keyColumn, value, values].every((option) => option === undefined)) return notForExports(options)
  if ((key === undefined) === (keyColumn === undefined))
    throw usage('Give either --key NAME (all rows are one key) or --key-column COL (a column names the key).')
  if ((value === undefined) === (values === undefined))
    throw usage('Give either --value COL or --values COL,COL: the columns with the values.')
  const valueColumns = value === undefined ? values!.split(',').map((name) => name.trim()) : [value]
  return {
    key: key === undefined ? { column: keyColumn! } : { name: key },
    keyPrefix: options.keyPrefix,
    valueColumns,
    isSplit: value === undefined,
    timeColumn: options.time,
    timeFormat: options.timeFormat,
    asStrings: options.strings === true,
  }
}

function notForNdjson(options: ImportOptions): undefined {
  for (const [name, value] of Object.entries({
    '--key': options.key,
    '--key-column': options.keyColumn,
    '--value': options.value,
    '--values': options.values,
  }))
    if (value !== undefined)
      throw usage(`${name} is for CSV files; the lines of an NDJSON file name key, value and time.`)
  return notForExports(options)
}

function notForExports(options: ImportOptions): undefined {
  if (options.time !== undefined || options.timeFormat !== 'auto' || options.strings)
    throw usage(
      '--time, --time-format and --strings need --key or --key-column and --value or --values; an export has its own.',
    )
  return undefined
}

function asText(
  path: string,
  { rows, applied, repeated, unchanged, skipped, refused }: ImportSummary,
): string {
  const rest = [
    repeated > 0 ? `${repeated} were stored by an earlier run (--again writes them anew)` : '',
    unchanged > 0 ? `${unchanged} deletes found no value` : '',
    skipped > 0 ? `${skipped} bad rows left out` : '',
    refused > 0 ? `${refused} refused by the server` : '',
  ].filter((text) => text !== '')
  return `${path}: ${rows} rows, ${applied} values written${rest.map((text) => `, ${text}`).join('')}.`
}
