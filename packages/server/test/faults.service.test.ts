import { randomInt } from 'node:crypto'
import { expect, test } from 'vitest'
import { runFaults } from './faults/fault-run.ts'
import { FAULT_CLASSES } from './faults/schedule.ts'

/** `npm run test:faults` is the long form. FAULTS_SEED repeats the choices of a run (not its timing). */
test('a cluster under load, each kind of fault once: nothing is lost, twice, backwards or stuck', async () => {
  const seed = Number(process.env.FAULTS_SEED ?? randomInt(2 ** 31))
  console.log(`FAULTS_SEED=${seed}`)
  const { violations, history, figures, logFolder } = await runFaults({
    ...{ seed, faults: FAULT_CLASSES, meanMs: 4_000, writesPerSecond: 80 },
  })
  console.log(figures.join('\n'))
  if (violations.length > 0) {
    const shown = violations.slice(0, 50).map((violation) => `VIOLATION ${violation.slice(0, 1_000)}`)
    console.log([...history, ...shown, `${violations.length} violations; logs in ${logFolder}`].join('\n'))
  }
  expect(violations.length).toBe(0)
}, 900_000)
