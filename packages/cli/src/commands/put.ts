import { text as readText } from 'node:stream/consumers'
import type { PutOptions } from '@livekv/client'
import type { Command } from 'commander'
import { revision, seconds, time } from '../arguments.ts'
import { type ContextOf, print } from '../context.ts'
import { usage } from '../failure.ts'
import { asValue, writtenJson } from '../json-text.ts'

interface Options extends Pick<PutOptions, 'time' | 'ifRevision' | 'ifAbsent'> {
  string?: true
  ttl?: number
}

export function addPut(program: Command, contextOf: ContextOf): void {
  program
    .command('put')
    .description('write a value')
    .argument('<key>')
    .argument('<value>', 'JSON; what is not valid JSON is stored as a string; "-" reads standard input')
    .option('--string', 'store a string even if the value is valid JSON')
    .option('--ttl <seconds>', 'delete it again after this time', seconds)
    .option('--time <time>', "the source's own time of the value (default: now)", time)
    .option('--if-revision <n>', 'only if the key is at this revision (0: has no value)', revision)
    .option('--if-absent', 'only if the key has no value')
    .addHelpText(
      'after',
      `
Numbers keep their digits: 18.930 stays 18.930.

Examples:
  $ livekv put gold 18.930
  $ livekv put gold.note "closed today"
  $ livekv put zip 01234 --string
  $ livekv put quote '{"bid": 18.90, "ask": 18.95}' --ttl 60
  $ livekv put lock me --if-absent
  $ curl -s https://example.com/quote.json | livekv put quote -`,
    )
    .action(async (key: string, value: string, options: Options, command: Command) => {
      if (options.ifAbsent && options.ifRevision !== undefined)
        throw usage(
          '--if-absent and --if-revision exclude each other; --if-revision 0 is the same as --if-absent.',
        )
      const { server, json } = contextOf(command)
      const text = value === '-' ? (await readText(process.stdin)).replace(/\r?\n$/, '') : value
      const { string, ttl, ...conditions } = options
      const result = await server.connected((client) =>
        client.put(key, asValue(toJson(text, string === true)), {
          ...conditions,
          ...(ttl !== undefined && { ttlMs: ttl }),
        }),
      )
      print(json ? writtenJson.stringify(result) : `${key} is at revision ${result.revision}`)
    })
}

function toJson(text: string, asString: boolean): string {
  if (asString) return JSON.stringify(text)
  try {
    JSON.parse(text)
    return text.trim()
  } catch {
    return JSON.stringify(text)
  }
}
