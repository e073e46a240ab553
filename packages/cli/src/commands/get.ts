import type { Command } from 'commander'
import { type ContextOf, print } from '../context.ts'
import { rawFields } from '../raw-json.ts'

export function addGet(program: Command, contextOf: ContextOf): void {
  program
    .command('get')
    .description('print the value of a key as JSON, with --json the whole entry')
    .argument('<key>')
    .addHelpText(
      'after',
      `
Ends with exit code 3 if the key has no value.

Examples:
  $ livekv get gold
  $ livekv get gold --json`,
    )
    .action(async (key: string, _options: object, command: Command) => {
      const context = contextOf(command)
      const answer = await context.api.request({
        method: 'GET',
        path: '/api/v1/entries',
        query: { key },
      })
      print(context.json ? answer : (rawFields(answer).get('value') ?? ''))
    })
}
