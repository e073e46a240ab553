import { afterEach, expect, test } from 'vitest'
import { createTestDatabase } from '../services/test-database.ts'
import { findViolation, runWorkload } from './serial-replay.ts'
import { TinyCommit, type TinyVariant } from './tiny-commit.ts'

const open: TinyCommit[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((writer) => writer.close()))
})

/** What the checker of concurrent commits finds in `rounds` of four connections, or null. */
async function violationOf(variant: TinyVariant, rounds: number): Promise<string | null> {
  const url = await createTestDatabase()
  await TinyCommit.install(url)
  for (let i = 0; i < 4; i++) open.push(await TinyCommit.connect(url, variant))
  const [first] = open
  for (let round = 0; round < rounds; round++) {
    const prefix = `${round}/`
    const { head: base } = await first!.changesSince(Number.MAX_SAFE_INTEGER, 1)
    const history = await runWorkload(open, { prefix, batches: 100, maxBatch: 1 })
    const violation = await findViolation(first!, { prefix, base, history })
    if (violation) return violation
  }
  return null
}

test('a commit written as one statement is caught: its snapshot is older than its lock', async () => {
  expect(await violationOf('one statement', 20)).toMatch(
    /replay gives|fits nowhere|entries differ|the log ends/,
  )
})

test('the same statement behind the lock passes', async () => {
  expect(await violationOf('lock first', 5)).toBeNull()
})
