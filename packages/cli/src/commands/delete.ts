import type { Command } from 'commander'
import { revision } from '../arguments.ts'
import { type ContextOf, print } from '../context.ts'
import { noValue } from '../failure.ts'
import { writtenJson } from '../json-text.ts'

export function addDelete(program: Command, contextOf: ContextOf): void {
  program
    .command('delete')
    .description('delete a key; its history stays')
    .argument('<key>')
    .option('--if-revision <n>', 'only if the key is at this revision', revision)
    .addHelpText(
      'after',
      `
Ends with exit code 3 if the key has no value, 4 if it is at another revision.

Examples:
  $ livekv delete gold
  $ livekv delete gold --if-revision 17`,
    )
    .action(async (key: string, options: { ifRevision?: number }, command: Command) => {
      const { server, json } = contextOf(command)
      const result = await server.connected((client) => client.delete(key, options))
      if (result.status === 'unchanged') throw noValue(key, ', so there was nothing to delete')
      print(json ? writtenJson.stringify(result) : `${key} is deleted, at revision ${result.revision}`)
    })
}
