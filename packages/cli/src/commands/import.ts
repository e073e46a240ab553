import { type Command, Option } from 'commander'
import { type ContextOf, print, TRANSFER_PATIENCE_MS } from '../context.ts'
import { csvRows } from '../csv-rows.ts'
import { usage } from '../failure.ts'
import type { CsvMapping } from '../import-row.ts'
import { type ImportSummary, runImport } from '../importer.ts'
import { ndjsonRows } from '../ndjson-rows.ts'
import { addCsvOptions, type CsvOptions, csvMapping } from './csv-options.ts'

interface ImportOptions extends CsvOptions {
  format?: 'csv' | 'ndjson'
  skipBad?: true
  again?: true
}

export function addImport(program: Command, contextOf: ContextOf): void {
  const command = program
    .command('import')
    .description('write the rows of a CSV file, or of an export, with their own times')
    .argument('<file>', 'CSV with a header line, or what "livekv export" wrote; UTF-8')
    .addOption(new Option('--format <format>', "default: by the file's name").choices(['csv', 'ndjson']))
  addCsvOptions(command, 'the time of the import')
    .option('--skip-bad', 'leave bad rows out instead of stopping')
    .option('--again', 'write every row even if this file was imported just before')
    .addHelpText('after', DETAILS)
    .action(async (path: string, options: ImportOptions, command: Command) => {
      const format = options.format ?? formatOf(path)
      const mapping = format === 'csv' ? mappingOf(options) : notForNdjson(options)
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
function mappingOf(options: ImportOptions): CsvMapping | undefined {
  const { key, keyColumn, value, values } = options
  const isExport = [key, keyColumn, value, values].every((option) => option === undefined)
  return isExport ? notForExports(options) : csvMapping(options)
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
