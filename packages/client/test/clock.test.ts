import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort } from '../../server/test/services/free-port.ts'
import { ServerProcess } from '../../server/test/sigkill/server-process.ts'
import { Clock } from '../src/clock.ts'
import { clientsOfTests } from './support/clients.ts'

const SHIFT_MS = -95 * 60_000

let directory: string
let server: ServerProcess
const connect = clientsOfTests()
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'livekv-client-'))
  server = new ServerProcess(await freePort(), directory, {
    DATA_DIR: join(directory, 'data'),
    CLOCK_SHIFT_MS: String(SHIFT_MS),
    NODE_OPTIONS: `--import ${pathToFileURL(join(import.meta.dirname, 'support/shifted-clock.mjs'))}`,
  })
  await server.start()
})
afterAll(async () => {
  await server.kill()
  await rm(directory, { recursive: true, force: true })
})

test('client.now is the server’s clock, within the time that asking took', async () => {
  const askedMs = performance.now()
  const client = connect(server.url)
  expect(Math.abs(client.now() - Date.now())).toBeLessThan(1_000)
  await expect.poll(() => client.now() - Date.now()).toBeLessThan(SHIFT_MS / 2)
  const errorMs = client.now() - (Date.now() + SHIFT_MS)
  expect(Math.abs(errorMs)).toBeLessThanOrEqual(performance.now() - askedMs)
  const { at } = await client.put('now', 1)
  const age = client.now() - Date.parse(at!)
  expect(Math.abs(age)).toBeLessThan(60_000)
})

test('the answer with the shortest way stands, until one contradicts it', () => {
  const clock = new Clock()
  const offset = () => Math.round((clock.now() - Date.now()) / 100) * 100
  clock.add({ offsetMs: 5_000, rttMs: 400 })
  expect(offset()).toBe(5_000)
  clock.add({ offsetMs: 5_200, rttMs: 300 })
  expect(offset()).toBe(5_200)
  // Slower, and says nothing against it.
  clock.add({ offsetMs: 4_900, rttMs: 1_000 })
  expect(offset()).toBe(5_200)
  // Slower, but both cannot be true: the server’s clock was set, or it is another server.
  clock.add({ offsetMs: 9_000, rttMs: 1_000 })
  expect(offset()).toBe(9_000)
  clock.forget()
  clock.add({ offsetMs: 9_100, rttMs: 2_000 })
  expect(offset()).toBe(9_100)
})
