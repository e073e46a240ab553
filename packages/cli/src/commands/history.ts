import type { Change } from '@livekv/client'
import type { Command } from 'commander'
import { count, time } from '../arguments.ts'
import type { ContextOf } from '../context.ts'
import { textOf, writtenJson } from '../json-text.ts'
import { writeLines } from '../output.ts'
import { itemsOf, pages, take } from '../pages.ts'

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
      const { server, json } = contextOf(command)
      const { limit, newest, ...range } = options
      const changes = pages((from) =>
        server.ask((client) =>
          client.history(key, {
            ...range,
            ...from,
            order: newest ? 'desc' : 'asc',
            limit: Math.min(limit ?? PAGE_LIMIT, PAGE_LIMIT),
          }),
        ),
      )
      await writeLines(take(itemsOf(changes), limit), json ? writtenJson.stringify : asText)
    })
}

function asText(change: Change): string {
  const { time, op, revision } = change
  return `${time}\t${op}\t${change.op === 'put' ? textOf(change.value) : ''}\t${revision}`
}
