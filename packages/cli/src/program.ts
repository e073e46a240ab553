import { Command, Option } from 'commander'
import { addDelete } from './commands/delete.ts'
import { addExport } from './commands/export.ts'
import { addGet } from './commands/get.ts'
import { addHistory } from './commands/history.ts'
import { addImport } from './commands/import.ts'
import { addList } from './commands/list.ts'
import { addPut } from './commands/put.ts'
import { addReplay } from './commands/replay.ts'
import { addServe } from './commands/serve.ts'
import { addWatch } from './commands/watch.ts'
import { contextFrom, DEFAULT_URL } from './context.ts'

export function createProgram(signal: AbortSignal): Command {
  const program = new Command('livekv')
    .description('Values that keep changing: write them, read them back, see their history.')
    .version('0.1.0')
    .addOption(new Option('--url <url>', 'the server').env('LIVEKV_URL').default(DEFAULT_URL))
    .option('--json', 'machine-readable output, errors too')
    .exitOverride()
    .allowExcessArguments(false)
    // main.ts says it, in the form of all other errors.
    .configureOutput({ outputError: () => {} })
    .configureHelp({ showGlobalOptions: true })
    .addHelpText(
      'after',
      `
Examples:
  $ livekv serve
  $ livekv put gold.sjc.buy 18.930
  $ livekv get gold.sjc.buy
  $ livekv watch gold.sjc.buy
  $ livekv import gold.csv --key gold --value Price --time Date
  $ livekv history gold --newest --limit 5

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no such key, 4 conflict, 5 no server or not ready, 130 interrupted.`,
    )
  const contextOf = contextFrom(signal)
  addServe(program, signal)
  addPut(program, contextOf)
  addGet(program, contextOf)
  addDelete(program, contextOf)
  addWatch(program, contextOf)
  addList(program, contextOf)
  addHistory(program, contextOf)
  addImport(program, contextOf)
  addReplay(program, contextOf)
  addExport(program, contextOf)
  return program
}
