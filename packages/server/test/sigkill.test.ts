import { expect, test } from 'vitest'
import { runWithKills } from './sigkill/kill-run.ts'

test('SIGKILL under load, embedded store: nothing acknowledged is lost, nothing twice, no watcher goes back', async () => {
  const { problems, figures } = await runWithKills()
  console.log(figures)
  expect(problems.slice(0, 20)).toEqual([])
}, 3_600_000)
