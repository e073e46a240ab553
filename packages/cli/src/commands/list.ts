import type { Command } from 'commander'
import { count } from '../arguments.ts'
import type { ContextOf } from '../context.ts'
import { writeLines } from '../output.ts'
import { items, pages } from '../pages.ts'
import { oneLine, rawFields } from '../raw-json.ts'

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
      const context = contextOf(command)
      const query = { prefix, limit: Math.min(options.limit ?? PAGE_LIMIT, PAGE_LIMIT) }
      const entries = items(pages(context.api, '/api/v1/entries', query, 'entries'), options.limit)
      await writeLines(entries, (entry) => (context.json ? oneLine(entry) : asText(entry)))
    })
}

function asText(entry: string): string {
  const fields = rawFields(entry)
  return `${JSON.parse(fields.get('key')!)}\t${oneLine(fields.get('value')!)}`
}
