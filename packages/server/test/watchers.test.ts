import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { seededRandom } from './support/seeded-random.ts'
import { startTestApp } from './support/test-app.ts'
import { servers } from './watchers/field.ts'
import { startLossyField } from './watchers/lossy-bus.ts'
import { chooseSeed, runWatchers } from './watchers/run.ts'

test('real clients behind bad links: no watcher goes back, all end at the last values', async () => {
  const app = await startTestApp()
  try {
    const { problems, figures } = await runWatchers(servers([app]), chooseSeed())
    console.log(figures)
    expect(problems.slice(0, 20)).toEqual([])
  } finally {
    await app.close()
  }
}, 3_600_000)

test('two instances that are told of changes late, twice or never, and a log that is cut: the same', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'livekv-watchers-'))
  const seed = chooseSeed()
  const field = await startLossyField(dataDir, seededRandom(seed))
  try {
    const { problems, figures } = await runWatchers(field, seed)
    console.log(figures)
    expect(problems.slice(0, 20)).toEqual([])
  } finally {
    await field.close()
    await rm(dataDir, { recursive: true, force: true })
  }
}, 3_600_000)
