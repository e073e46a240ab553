import type { Command } from 'commander'
import { count, time } from '../arguments.ts'
import type { ContextOf } from '../context.ts'
import { writeLines } from '../output.ts'
import { items, pages } from '../pages.ts'
import { oneLine, rawFields } from '../raw-json.ts'

const PAGE_LIMIT = 1000

interface HistoryOptions {
  from?: string
  to?: string
  limit?: number
  newest?: true
}

export function addHistory(program: Command, contextOf: ContextOf): void {
  program
    .command('history')
    .description('print the changes of a key by their time, with --json one change a line')
    .argument('<key>')
    .option('--from <time>', 'from this time on', time)
    .option('--to <time>', 'up to this time, not including it', time)
    .option('--limit <n>', 'at most so many', count)
    .option('--newest', 'the newest first')
    .addHelpText(
      'after',
      `
Times are UTC unless they name a zone. The columns are time, what happened, value, revision.

Examples:
  $ livekv history gold --newest --limit 5
  $ livekv history gold --from 1980-01-01 --to 1981-01-01
  $ livekv history gold --from "Jan 1 1980" --json`,
    )
    .action(async (key: string, options: HistoryOptions, command: Command) => {
      const context = contextOf(command)
      const query = {
        key,
        from: options.from,
        to: options.to,
        order: options.newest ? 'desc' : 'asc',
        limit: Math.min(options.limit ?? PAGE_LIMIT, PAGE_LIMIT),
      }
      const changes = items(pages(context.api, '/api/v1/history', query, 'changes'), options.limit)
      await writeLines(changes, (change) => (context.json ? oneLine(change) : asText(change)))
    })
}

function asText(change: string): string {
  const fields = rawFields(change)
  const [time, op] = [JSON.parse(fields.get('time')!), JSON.parse(fields.get('op')!)]
  return `${time}\t${op}\t${oneLine(fields.get('value') ?? '')}\t${fields.get('revision')}`
}
