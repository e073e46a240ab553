import { type Command, Option } from 'commander'
import { CSV_HEADER, toCsv, toNdjson } from '../change-text.ts'
import { type Context, type ContextOf, TRANSFER_PATIENCE_MS } from '../context.ts'
import { allChanges, keyChanges } from '../export-source.ts'
import { usage } from '../failure.ts'
import { writeFileWhole, writeStdout } from '../output.ts'
import { createProgress, type Progress } from '../progress.ts'

interface ExportOptions {
  key?: string
  prefix?: string
  format: 'csv' | 'ndjson'
  output?: string
}

export function addExport(program: Command, contextOf: ContextOf): void {
  program
    .command('export')
    .description('write the history, deletes included, for "livekv import" or other programs')
    .option('--key <key>', 'of this key only')
    .option('--prefix <prefix>', 'of the keys that begin with it only')
    .addOption(new Option('--format <format>').choices(['ndjson', 'csv']).default('ndjson'))
    .option('--output <file>', 'to this file (default: standard output)')
    .addHelpText(
      'after',
      `
The rows are in the order of the log, oldest first, as far as the server keeps it; each has op, key, value (JSON),
time, revision and at. Changes made while it runs are left out. Imported into an empty server it gives the same history.

Examples:
  $ livekv export --output backup.ndjson
  $ livekv export --key gold --format csv > gold.csv
  $ livekv export --prefix stock. | gzip > stocks.ndjson.gz`,
    )
    .action(async (options: ExportOptions, command: Command) => {
      if (options.key !== undefined && options.prefix !== undefined)
        throw usage('--key and --prefix exclude each other; a prefix finds the key as well.')
      const context = contextOf(command, TRANSFER_PATIENCE_MS)
      const progress = createProgress('export', 'revisions')
      try {
        await exportTo(
          context,
          options,
          process.stdout.isTTY && options.output === undefined ? undefined : progress,
        )
      } finally {
        progress.stop()
      }
    })
}

async function exportTo(
  context: Context,
  options: ExportOptions,
  progress: Progress | undefined,
): Promise<void> {
  const text = rows(context, options, progress)
  // Asked before anything is written, so that a missing server or key leaves no file behind.
  const first = await text.next()
  const all = (async function* () {
    if (!first.done) yield first.value
    yield* text
  })()
  if (options.output === undefined) await writeStdout(all)
  else await writeFileWhole(options.output, all)
}

/** One text for each page: memory holds one page, and the next is asked for when this one is taken. */
async function* rows(
  context: Context,
  options: ExportOptions,
  progress: Progress | undefined,
): AsyncGenerator<string> {
  const format = options.format === 'csv' ? toCsv : toNdjson
  const source =
    options.key === undefined ? allChanges(context, options.prefix) : keyChanges(context, options.key)
  let isFirst = true
  for await (const { changes, head } of source) {
    context.signal.throwIfAborted()
    if (isFirst) progress?.start(head)
    if (isFirst && options.format === 'csv') yield CSV_HEADER
    isFirst = false
    if (changes.length === 0) continue
    yield changes.map(format).join('')
    progress?.update(changes.at(-1)!.revision)
  }
}
