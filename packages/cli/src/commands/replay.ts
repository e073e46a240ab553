import { type Command, InvalidArgumentError } from 'commander'
import { type ContextOf, print, TRANSFER_PATIENCE_MS } from '../context.ts'
import { csvRows } from '../csv-rows.ts'
import { usage } from '../failure.ts'
import { runReplay, type Speed } from '../replay.ts'
import { addCsvOptions, type CsvOptions, csvMapping } from './csv-options.ts'

interface ReplayOptions extends CsvOptions {
  speed: Speed
  keepTime?: true
}

export function addReplay(program: Command, contextOf: ContextOf): void {
  const command = program
    .command('replay')
    .description('write the rows of a CSV file as if they happened now, in the order of their times')
    .argument('<file>', 'CSV with a header line; UTF-8')
  addCsvOptions(command, 'none, the order of the file')
    .option('--speed <speed>', 'rows a second, as 10/s; or times as fast as they happened, as 3600x', speed, {
      rowsPerSecond: 10,
    })
    .option('--keep-time', "give the values their rows' times instead of the time of the writing")
    .addHelpText('after', DETAILS)
    .action(async (path: string, options: ReplayOptions, command: Command) => {
      const mapping = csvMapping(options)
      if (mapping.timeColumn === undefined && (options.keepTime || 'factor' in options.speed))
        throw usage(
          `${options.keepTime ? '--keep-time' : '--speed with x'} needs the times: add --time COL, the column that has them.`,
        )
      const context = contextOf(command, TRANSFER_PATIENCE_MS)
      const summary = await runReplay(context, {
        path,
        rows: () => csvRows(path, mapping, options.keyPrefix),
        speed: options.speed,
        keepTime: options.keepTime === true,
      })
      print(
        context.json
          ? JSON.stringify(summary)
          : `${path}: ${summary.rows} rows replayed, ${summary.applied} values written.`,
      )
    })
}

const DETAILS = `
Values and times are read as by "livekv import". All rows are checked before the first is written.
A machine or a server that cannot keep up falls behind the speed; no row is left out.

Examples:
  $ livekv replay gold.csv --key gold --value Price --time Date --speed 5/s
  $ livekv replay ticks.csv --key-column symbol --value price --time at --speed 60x
  $ livekv replay gold.csv --key gold --value Price --time Date --keep-time`

function speed(text: string): Speed {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(\/s|x)$/.exec(text) ?? []
  const value = Number(number)
  if (!(value > 0) || !Number.isFinite(value))
    throw new InvalidArgumentError('It must be rows a second, such as 10/s, or a factor, such as 3600x.')
  return unit === 'x' ? { factor: value } : { rowsPerSecond: value }
}
