import type { Entry } from '@livekv/client'
import type { Command } from 'commander'
import { count } from '../arguments.ts'
import type { ContextOf } from '../context.ts'
import { textOf, writtenJson } from '../json-text.ts'
import { writeLines } from '../output.ts'
import { take } from '../pages.ts'

const PAGE_LIMIT = 1000

export function addList(program: Command, contextOf: ContextOf): void {
  program
    .command('list')
    .description('print keys and values in the order of the keys, with --json one entry a line')
    .argument('[prefix]', 'only keys that begin with it')
    .option('--limit <n>', 'at most so many', count)
    .addHelpText(
      'after',
      `
Examples:
  $ livekv list
  $ livekv list stock. --limit 10`,
    )
    .action(async (prefix: string | undefined, options: { limit?: number }, command: Command) => {
      const { server, json } = contextOf(command)
      const pageSize = Math.min(options.limit ?? PAGE_LIMIT, PAGE_LIMIT)
      const entries = server.list({ pageSize, ...(prefix !== undefined && { prefix }) })
      await writeLines(take(entries, options.limit), json ? writtenJson.stringify : asText)
    })
}

function asText({ key, value }: Entry): string {
  return `${key}\t${textOf(value)}`
}
