import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
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

test('answers are lost after the commit: the batches are sent again and count once', async () => {
  let requests = 0
  const proxy = createServer(async (request, response) => {
    const { status, text } = await forward(request.url!, Buffer.concat(await request.toArray()))
    if (++requests % 3 === 2) request.socket.destroy()
    else response.writeHead(status).end(text)
  }).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const ended = await importOf('lost', `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`).ended
  proxy.close()
  expect(ended).toMatchObject({ code: 0, stderr: '' })
  const { applied, repeated } = JSON.parse(ended.stdout)
  expect(applied + repeated).toBe(ROWS)
  expect(repeated).toBeGreaterThan(0)
  await expectAllOnce('lost')
})

async function forward(path: string, body: Buffer): Promise<{ status: number; text: string }> {
  const headers = { 'content-type': 'application/json' }
  const answer = await fetch(`${server.url}${path}`, { method: 'POST', headers, body: new Uint8Array(body) })
  return { status: answer.status, text: await answer.text() }
}
