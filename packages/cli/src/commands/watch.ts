import { once } from 'node:events'
import type { ConnectionState, Selection, WatchChange } from '@livekv/client'
import type { Command } from 'commander'
import { count } from '../arguments.ts'
import type { ContextOf } from '../context.ts'
import { usage } from '../failure.ts'
import { textOf, writtenJson } from '../json-text.ts'
import { oneLine } from '../raw-json.ts'

interface WatchOptions {
  prefix?: string
  all?: true
  count?: number
}

export function addWatch(program: Command, contextOf: ContextOf): void {
  program
    .command('watch')
    .description('print the present values, then each change as it happens, one a line')
    .argument('[keys...]')
    .option('--prefix <prefix>', 'all keys that begin with it')
    .option('--all', 'all keys')
    .option('--count <n>', 'end after so many lines', count)
    .addHelpText(
      'after',
      `
The columns are time, key, value; a key that was deleted has (deleted) as its value. It goes on over a server that is
away for a while, says so on standard error, and ends with Ctrl-C. Where changes come faster than they are printed, the
latest of each key is.

Examples:
  $ livekv watch gold.sjc.buy gold.sjc.sell
  $ livekv watch --prefix stock.
  $ livekv watch --all --json | jq -c 'select(.value > 100)'
  $ livekv watch --prefix job. --count 1`,
    )
    .action(async (keys: string[], options: WatchOptions, command: Command) => {
      const selection = selectionOf(keys, options)
      const { server, json, signal } = contextOf(command)
      const format = json ? asJson : asText
      await server.connected(async (client) => {
        client.onState(teller(json, signal))
        let left = options.count ?? Number.POSITIVE_INFINITY
        for await (const change of client.watch(selection)) {
          if (!process.stdout.write(`${oneLine(format(change))}\n`))
            await once(process.stdout, 'drain', { signal })
          if (--left <= 0) return
        }
      }, true)
    })
}

function selectionOf(keys: string[], { prefix, all }: WatchOptions): Selection {
  const given = [keys.length > 0, prefix !== undefined, all === true].filter((is) => is).length
  if (given !== 1) throw usage('Name what to watch: keys, or --prefix PREFIX, or --all; one of them.')
  if (prefix !== undefined) return { prefix }
  return all ? { all } : { keys }
}

function asText(change: WatchChange): string {
  const { key, time } = change
  // When it was deleted is not known if that was while the server was away.
  return `${time ?? '-'}\t${key}\t${change.type === 'put' ? textOf(change.value) : '(deleted)'}`
}

function asJson(change: WatchChange): string {
  const { type: op, key, value, revision, updatedAt, time } = change
  return writtenJson.stringify({ op, key, value, revision, updatedAt, time })
}

/** Says on standard error when the connection is lost and when it is back. */
function teller(json: boolean, signal: AbortSignal): (state: ConnectionState) => void {
  let told: ConnectionState['name'] | undefined
  return ({ name, since, reason }) => {
    const isStart = told === undefined
    // A server that is away at the start fails the command; what ends it closes the connection too.
    if (name === told || name === 'catching-up' || (isStart && name === 'offline') || signal.aborted) return
    told = name
    if (isStart) return
    const at = new Date(since).toISOString()
    const text = name === 'live' ? `live again since ${at}` : `offline since ${at} (${reason}); trying again`
    process.stderr.write(
      `${json ? JSON.stringify({ state: name, since: at, reason }) : `livekv: ${text}.`}\n`,
    )
  }
}
