import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TcpProxy } from '../../server/test/services/tcp-proxy.ts'
import { startCli } from './support/run-cli.ts'
import { ServerProcess } from './support/server-process.ts'

const ROWS = 12_000

let server: ServerProcess
let directory: string
let path: string
beforeAll(async () => {
  server = await ServerProcess.start()
  directory = await mkdtemp(join(tmpdir(), 'livekv-cli-resume-'))
  path = join(directory, 'many.csv')
  const rows = Array.from({ length: ROWS }, (_, i) => `${1_000_000_000 + i},${i}.0`)
  await writeFile(path, `time,value\n${rows.join('\n')}\n`)
})
afterAll(async () => {
  await server.remove()
  await rm(directory, { recursive: true, force: true })
})

const importOf = (key: string, url = server.url) =>
  startCli(
    ['import', path, '--key', key, '--value', 'value', '--time', 'time', '--time-format', 's', '--json'],
    {
      url,
    },
  )

async function headAbove(revision: number): Promise<number> {
  for (;;) {
    const head = await server.head()
    if (head > revision) return head
    await sleep(2)
  }
}

/** Every row once, in the order of the file, also in the log. */
async function expectAllOnce(key: string): Promise<void> {
  const ended = await startCli(['export', '--key', key], { url: server.url }).ended
  expect(ended.code).toBe(0)
  const changes = ended.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { value: number })
  expect(changes.length).toBe(ROWS)
  expect(changes.every((change, i) => change.value === i)).toBe(true)
}

test('the server is killed in mid-import and comes back: the import goes on by itself', async () => {
  const start = await server.head()
  const running = importOf('killed')
  const head = await headAbove(start + 2_000)
  await server.kill()
  expect(head - start).toBeLessThan(ROWS)
  await server.start()
  const ended = await running.ended
  expect(ended).toMatchObject({ code: 0, stderr: '' })
  const { applied, repeated } = JSON.parse(ended.stdout)
  expect(applied + repeated).toBe(ROWS)
  await expectAllOnce('killed')
})

test('an interrupted import says how to go on, and run again it writes only what is missing', async () => {
  const start = await server.head()
  const running = importOf('interrupted')
  const head = await headAbove(start + 2_000)
  running.child.kill('SIGINT')
  const first = await running.ended
  expect(head - start).toBeLessThan(ROWS)
  expect(first.code).toBe(130)
  expect(JSON.parse(first.stderr)).toMatchObject({ code: 'INTERRUPTED' })
  expect(first.stderr).toContain('same command again')

  const second = await importOf('interrupted').ended
  expect(second.code).toBe(0)
  const { applied, repeated } = JSON.parse(second.stdout)
  expect(applied + repeated).toBe(ROWS)
  expect(repeated).toBeGreaterThan(0)
  await expectAllOnce('interrupted')
})

test('answers are lost after the commit: what was written is sent again and counts once', async () => {
  const proxy = await TcpProxy.start({ port: server.port })
  const start = await server.head()
  const running = importOf('lost', proxy.through(server.url))
  for (const part of [1_000, 4_000, 8_000]) {
    const head = await headAbove(start + part)
    proxy.stall('toClient')
    // Committed, and nobody was told.
    await headAbove(head)
    proxy.cut()
    proxy.heal()
  }
  const ended = await running.ended
  await proxy.close()
  expect(ended).toMatchObject({ code: 0, stderr: '' })
  const { applied, repeated } = JSON.parse(ended.stdout)
  expect(applied + repeated).toBe(ROWS)
  expect(repeated).toBeGreaterThan(0)
  await expectAllOnce('lost')
})

test('a put whose first connections break is written, once', async () => {
  const proxy = await TcpProxy.start({ port: server.port })
  proxy.stall('toClient')
  const running = startCli(['put', 'one', '1.50', '--json'], { url: proxy.through(server.url) })
  // One for each way to connect, one for the question why that failed.
  let broken = 0
  for (let cuts = 0; cuts < 3; cuts++) {
    await expect.poll(() => proxy.accepted, { interval: 1 }).toBeGreaterThan(broken)
    broken = proxy.accepted
    proxy.cut()
  }
  proxy.heal()
  expect(await running.ended).toMatchObject({ code: 0, stderr: '' })
  await proxy.close()
  expect(JSON.parse(await server.get('/api/v1/history?key=one')).changes).toHaveLength(1)
})

test('an export over a connection that breaks again and again is whole', async () => {
  const before = (await startCli(['export'], { url: server.url }).ended).stdout
  const proxy = await TcpProxy.start({ port: server.port })
  const running = startCli(['export'], { url: proxy.through(server.url) })
  for (const pages of [1, 5, 10]) {
    await expect
      .poll(() => running.printed.stdout.length, { interval: 2, timeout: 30_000 })
      .toBeGreaterThan((pages * before.length) / 20)
    proxy.cut()
  }
  const ended = await running.ended
  await proxy.close()
  expect(ended).toMatchObject({ code: 0, stderr: '' })
  expect(ended.stdout).toBe(before)
})
