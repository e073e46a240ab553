import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { freePort } from './services/free-port.ts'
import { createTestDatabase } from './services/test-database.ts'
import { ServerProcess } from './sigkill/server-process.ts'
import { checkDrain } from './support/check-drain.ts'
import { runDrain } from './support/drain-run.ts'

test('SIGTERM under load, PostgreSQL: what is under way is answered, what was acknowledged is kept', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'livekv-drain-'))
  const server = new ServerProcess(await freePort(), folder, {
    DATABASE_URL: await createTestDatabase(),
    SHUTDOWN_TIMEOUT: '60s',
  })
  try {
    checkDrain(await runDrain(server), server.output)
  } finally {
    await server.kill()
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
  expect.hasAssertions()
}, 600_000)
