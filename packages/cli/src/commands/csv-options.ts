/** How the columns of a CSV file become keys, values and times: the same options for every command that reads one. */
import { type Command, Option } from 'commander'
import { usage } from '../failure.ts'
import type { CsvMapping } from '../import-row.ts'
import { TIME_FORMATS, type TimeFormat } from '../time-text.ts'

export interface CsvOptions {
  key?: string
  keyColumn?: string
  keyPrefix: string
  value?: string
  values?: string
  time?: string
  timeFormat: TimeFormat
  strings?: true
}

export function addCsvOptions(command: Command, timeDefault: string): Command {
  return command
    .option('--key <name>', 'all rows are values of this key')
    .option('--key-column <col>', 'the column that names the key')
    .option('--key-prefix <text>', 'put before every key', '')
    .option('--value <col>', 'the column with the value')
    .option('--values <cols>', 'several, with commas: each becomes the key KEY.col')
    .option('--time <col>', `the column with the time (default: ${timeDefault})`)
    .addOption(
      new Option('--time-format <format>', 's or ms: the times are numbers since 1970')
        .choices(TIME_FORMATS)
        .default('auto'),
    )
    .option('--strings', 'store every value as a string')
}

export function csvMapping(options: CsvOptions): CsvMapping {
  const { key, keyColumn, value, values } = options
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
