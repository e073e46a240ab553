import { randomUUID } from 'node:crypto'
import type { Command } from 'commander'
import { revision } from '../arguments.ts'
import { type ContextOf, print } from '../context.ts'
import { serverFailure, shown } from '../failure.ts'
import { rawFields } from '../raw-json.ts'

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
      const context = contextOf(command)
      const answer = await context.api.request({
        method: 'DELETE',
        path: '/api/v1/entries',
        query: { key, ifRevision: options.ifRevision, idempotencyKey: randomUUID() },
      })
      const fields = rawFields(answer)
      if (fields.get('applied') === 'false')
        throw serverFailure(
          'KEY_NOT_FOUND',
          `The key ${shown(key)} has no value, so there was nothing to delete.`,
        )
      print(context.json ? answer : `${key} is deleted, at revision ${fields.get('revision')}`)
    })
}
