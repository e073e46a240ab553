/**
 * `npm run bench` runs everything, `npm run bench -- a c` some of it; `--write` keeps the results in bench/results.md,
 * beside those of benchmarks that were not run.
 * Nothing else should run on the machine meanwhile.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { add } from './a-add.ts'
import { batches } from './b-batches.ts'
import { get } from './c-get.ts'
import { keys } from './d-keys.ts'
import { start } from './e-start.ts'
import { busy } from './f-busy.ts'
import { type Line, table } from './figures.ts'
import { watchers } from './g-watchers.ts'
import { clients } from './h-clients.ts'
import { socketWrites } from './i-socket-writes.ts'
import { snapshot } from './j-snapshot.ts'
import { cluster } from './k-cluster.ts'
import { redisAway } from './l-redis-away.ts'

const BENCHMARKS = {
  a: add,
  b: batches,
  c: get,
  d: keys,
  e: start,
  f: busy,
  g: watchers,
  h: clients,
  i: socketWrites,
  j: snapshot,
  k: cluster,
  l: redisAway,
}
type Letter = keyof typeof BENCHMARKS

const args = process.argv.slice(2)
const chosen = args.filter((arg): arg is Letter => arg in BENCHMARKS)
const lines: Line[] = []
for (const letter of chosen.length > 0 ? chosen : (Object.keys(BENCHMARKS) as Letter[])) {
  const more = await BENCHMARKS[letter]()
  lines.push(...more)
  process.stdout.write(`${table(more)}\n`)
}
if (args.includes('--write')) {
  const file = new URL('results.md', import.meta.url)
  const measured = new Set(lines.map(({ name }) => name[0]))
  const kept = (await readFile(file, 'utf8').catch(() => ''))
    .split('\n')
    .filter((row) => /^\| [a-z]\. /.test(row))
  const today = new Date().toISOString().slice(0, 10)
  const [, rule, ...rows] = table(lines).split('\n')
  const all = [
    ...kept.filter((row) => !measured.has(row[2])),
    ...rows.map((row) => `${row} ${today} |`),
  ].sort((a, b) =>
    // Within a benchmark in its own order, which sorting keeps.
    (a[2] as string).localeCompare(b[2] as string),
  )
  const head = `| what | figures | ratio | aim | | on |\n${rule} --- |`
  const machine = `${cpus().length} cores (${cpus()[0]?.model.trim()}), Node.js ${process.version}`
  await writeFile(
    file,
    `# Last results\n\nMade by \`npm run bench -- --write\` on ${machine}. What is measured and how: README.md beside this file.\n\n${head}\n${all.join('\n')}\n`,
  )
}
process.exit(0)
