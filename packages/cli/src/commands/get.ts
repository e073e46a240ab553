import type { Command } from 'commander'
import { type ContextOf, print } from '../context.ts'
import { noValue } from '../failure.ts'
import { textOf, writtenJson } from '../json-text.ts'

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
      const { server, json } = contextOf(command)
      const entry = await server.ask((client) => client.get(key))
      if (entry === undefined) throw noValue(key, '')
      print(json ? writtenJson.stringify(entry) : textOf(entry.value))
    })
}
