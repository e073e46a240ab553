/**
 * `npm run bench` runs everything, `npm run bench -- a c` some of it; `--write` keeps the result in bench/results.md.
 * Nothing else should run on the machine meanwhile.
 */
import { writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { add } from './a-add.ts'
import { batches } from './b-batches.ts'
import { get } from './c-get.ts'
import { keys } from './d-keys.ts'
import { start } from './e-start.ts'
import { busy } from './f-busy.ts'
import { type Line, table } from './figures.ts'
import { watchers } from './g-watchers.ts'

const BENCHMARKS = { a: add, b: batches, c: get, d: keys, e: start, f: busy, g: watchers }
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
  const machine = `${cpus().length} cores (${cpus()[0]?.model.trim()}), Node.js ${process.version}, ${new Date().toISOString().slice(0, 10)}`
  const text = `# Last results\n\nMade by \`npm run bench -- --write\` on ${machine}. What is measured and how: README.md beside this file.\n\n${table(lines)}\n`
  await writeFile(new URL('results.md', import.meta.url), text)
}
process.exit(0)
