/**
 * `npm run test:faults -- --seed N --faults 200 --minutes 30`: three instances behind Nginx under load, with one fault
 * after the other (packages/server/test/faults/). The same seed gives the same faults and the same choices of the
 * writers; what happens at which moment is the machine's. Ends with 0 if nothing was violated.
 */
import { randomInt } from 'node:crypto'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { runFaults } from '../packages/server/test/faults/fault-run.ts'
import { main } from './child.cjs'
import { runInContainer } from './container.ts'
import { SERVICES } from './needs.ts'
import { provision } from './provision.ts'

const CACHE = join(resolve(import.meta.dirname, '..'), '.cache')
const SHOWN_VIOLATIONS = 50
const SHOWN_CHARS = 3_000

main(() => run(process.argv.slice(2)))

async function run(args: string[]): Promise<{ code: number | null }> {
  const { values } = parseArgs({
    args,
    options: {
      seed: { type: 'string', default: String(randomInt(2 ** 31)) },
      faults: { type: 'string', default: '40' },
      minutes: { type: 'string', default: '6' },
      rate: { type: 'string', default: '150' },
    },
  })
  const [seed, faults, minutes, writesPerSecond] = [
    Number(values.seed),
    Number(values.faults),
    Number(values.minutes),
    Number(values.rate),
  ]
  const ended = await runInContainer('test-faults.cjs', args, SERVICES)
  if (ended) return ended
  for (const unprovided of await provision(CACHE, SERVICES))
    console.log(`${unprovided.name}: ${unprovided.why}`)
  console.log(
    `npm run test:faults -- --seed ${seed} --faults ${faults} --minutes ${minutes} --rate ${writesPerSecond}`,
  )
  const meanMs = (minutes * 60_000) / faults
  const { violations, figures, logFolder } = await runFaults({
    ...{ seed, faults, meanMs, writesPerSecond },
    onProgress: (line) => console.log(line),
  })
  for (const line of figures) console.log(line)
  for (const violation of violations.slice(0, SHOWN_VIOLATIONS))
    console.log(`VIOLATION ${violation.slice(0, SHOWN_CHARS)}`)
  console.log(
    `${violations.length} violations${logFolder ? `; the instances' logs are in ${logFolder}` : ''}`,
  )
  return { code: violations.length === 0 ? 0 : 1 }
}
