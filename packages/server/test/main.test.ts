import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runMain } from './support/main-process.ts'

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'livekv-main-'))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

test('starts, says where, warns, and stops in order; what was written is there the next time', async () => {
  const first = runMain(directory, { PORT: '0', REDIS_HOST: 'localhost', DB_PASSWORD: 'hidden-secret' })
  const [, url] = await first.printed(/listening on (http:[^ ]+)/)
  await first.printed(/http:\/\/localhost:\d+\/admin/)
  await first.printed(/http:\/\/localhost:\d+\/viewer\/gold/)
  expect(first.output()).toContain('PostgreSQL')
  await first.printed(/KAFKA_BROKERS are not set: enough for one instance/)
  const body = '{"key":"gold","value":1.10}'
  await fetch(`${url}/add`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })

  const other = runMain(directory, { PORT: new URL(url!).port, DATA_DIR: './other' })
  expect(await other.exit).toBe(1)
  expect(other.output()).toMatch(/Port \d+ .* is taken .*PORT=/)

  const same = runMain(directory, { PORT: '0' })
  expect(await same.exit).toBe(1)
  expect(same.output()).toContain('data')
  expect(same.output()).not.toContain('    at ')

  first.child.kill('SIGTERM')
  expect(await first.exit).toBe(0)
  expect(first.output()).toContain('stopped')
  expect(first.output()).not.toContain('hidden-secret')

  const second = runMain(directory, { PORT: '0' })
  const [, again] = await second.printed(/listening on (http:[^ ]+)/)
  expect(await (await fetch(`${again}/get/gold`)).text()).toContain('"value":1.10')
  second.child.kill('SIGINT')
  expect(await second.exit).toBe(0)
})

test('mistakes in the configuration are printed together and end it', async () => {
  const { exit, output } = runMain(directory, { PORT: 'x', LOG_LEVEL: 'y' })
  expect(await exit).toBe(1)
  expect(output()).toMatch(/2 mistakes:\n {2}- PORT=x .*\n {2}- LOG_LEVEL=y /)
  expect(output()).not.toContain('    at ')
})

test('a database that is not there is said plainly, without its password', async () => {
  const { exit, output } = runMain(directory, {
    PORT: '0',
    DATABASE_URL: 'postgres://me:hidden-secret@127.0.0.1:1/db',
    STARTUP_TIMEOUT: '1s',
  })
  expect(await exit).toBe(1)
  expect(output()).toMatch(/waiting for PostgreSQL at 127\.0\.0\.1:1, database \\"db\\" \(.*ECONNREFUSED/)
  expect(output()).toMatch(/was not there within 1 s \(STARTUP_TIMEOUT\): .*ECONNREFUSED.*\. Start it/)
  expect(output()).not.toContain('    at ')
  expect(output()).not.toContain('hidden-secret')
})

test.each(['SIGTERM', 'SIGINT'] as const)(
  '%s while it waits for its database ends it in order',
  async (signal) => {
    const { child, exit, output, printed } = runMain(directory, {
      PORT: '0',
      DATABASE_URL: 'postgres://me:hidden-secret@127.0.0.1:1/db',
      STARTUP_TIMEOUT: '1h',
    })
    await printed(/waiting for PostgreSQL/)
    child.kill(signal)
    expect(await exit, output()).toBe(0)
    expect(output()).toContain(`${signal} while starting: ending`)
  },
)
