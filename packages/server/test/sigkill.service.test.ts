import { expect, test } from 'vitest'
import { createTestDatabase } from './services/test-database.ts'
import { runWithKills } from './sigkill/kill-run.ts'

test('SIGKILL under load, PostgreSQL: nothing acknowledged is lost, nothing twice, no watcher goes back', async () => {
  const { problems, figures } = await runWithKills({ DATABASE_URL: await createTestDatabase() })
  console.log(figures)
  expect(problems.slice(0, 20)).toEqual([])
}, 3_600_000)
