import { expect, test } from 'vitest'
import { createTestDatabase } from './services/test-database.ts'
import { startTestApp } from './support/test-app.ts'
import { servers } from './watchers/field.ts'
import { chooseSeed, runWatchers } from './watchers/run.ts'

/** In this version an instance is told of nothing that others write: all of it is lost on its way, and found in the log. */
test('real clients behind bad links, two instances: no watcher goes back, all end at the last values', async () => {
  const DATABASE_URL = await createTestDatabase()
  const apps = [await startTestApp({ DATABASE_URL }), await startTestApp({ DATABASE_URL })] as const
  try {
    const { problems, figures } = await runWatchers(servers(apps), chooseSeed())
    console.log(figures)
    expect(problems.slice(0, 20)).toEqual([])
  } finally {
    for (const app of apps) await app.close()
  }
}, 3_600_000)
