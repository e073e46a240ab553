import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { createApp, loadConfig } from '@livekv/server'
import { expect, onTestFinished, test } from 'vitest'
import { run } from '../scripts/child.cjs'

const smoke = (...args: string[]) =>
  run(process.execPath, ['scripts/smoke.ts', ...args], { timeout: 100_000 })

async function startApp(): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'livekv-smoke-'))
  const app = await createApp(loadConfig({ PORT: '0', DATA_DIR: dataDir, LOG_LEVEL: 'silent' }).config)
  onTestFinished(async () => {
    await app.close()
    await rm(dataDir, { recursive: true, force: true })
  })
  return app.url
}

/** Passes everything on, but answers what `isBroken` names with something that is wrong. */
async function startBroken(url: string, isBroken: (method: string, path: string) => boolean) {
  const server = createServer(async (request, response) => {
    const { method = 'GET', url: path = '/' } = request
    if (isBroken(method, path)) {
      response.end('{"value":"another one","changes":[]}')
      return
    }
    const body = method === 'GET' ? undefined : await buffer(request)
    const answer = await fetch(new URL(path, url), {
      method,
      headers: { 'content-type': request.headers['content-type'] ?? 'text/plain' },
      ...(body?.length && { body }),
    })
    response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' })
    response.end(Buffer.from(await answer.arrayBuffer()))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('a deployment that works passes every step', async () => {
  const url = await startApp()
  const { code, output } = await smoke(url, `--kafka-ui=${url}/admin`)
  expect(output).toContain('13 passed, 0 failed')
  expect(code).toBe(0)
})

test('what does not work is named, and is the exit code', async () => {
  const url = await startBroken(
    await startApp(),
    (method, path) => path.startsWith('/get/') || path.startsWith('/socket.io/') || method === 'DELETE',
  )
  const { code, output } = await smoke(url, '--no-kafka-ui')
  for (const step of ['read', 'watch', 'classic watch over websocket', 'history', 'delete']) {
    expect(output).toContain(` ✗ ${step}: `)
  }
  for (const step of ['ready', 'write', 'viewer']) expect(output).toContain(` ✓ ${step} `)
  expect(code).toBe(1)
})

test('what is still starting is waited for, and it says so', async () => {
  const app = new URL(await startApp())
  let asked = 0
  const front = createTcpServer((socket) => {
    if (++asked <= 2) {
      socket.destroy()
      return
    }
    const instance = connect(Number(app.port), app.hostname)
    for (const [one, other] of [
      [socket, instance],
      [instance, socket],
    ] as const) {
      one.on('error', () => other.destroy())
      one.pipe(other)
    }
  })
  let opened = 0
  const kafkaUi = createServer((_, response) => {
    response.statusCode = ++opened > 1 ? 200 : 503
    response.end()
  })
  const [url, ui] = await Promise.all(
    [front, kafkaUi].map(async (server) => {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      onTestFinished(() => void server.close())
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    }),
  )
  const { code, output } = await smoke(url!, `--kafka-ui=${ui}`)
  expect(output).toMatch(/… waiting up to 60 s for ready: .*\n ✓ ready /)
  expect(output).toMatch(/… waiting up to 60 s for Kafka UI: http:\/\/\S+ answers 503\.\n ✓ Kafka UI /)
  expect([code, opened]).toEqual([0, 2])
})

test('where nothing answers it ends, and tells wrong arguments from a failure', async () => {
  const silent = createServer()
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const { port } = silent.address() as AddressInfo
  await new Promise((resolve) => silent.close(resolve))
  expect(await smoke(`http://127.0.0.1:${port}`, '--wait=0')).toMatchObject({
    code: 1,
    output: expect.stringMatching(/✗ ready: .*ECONNREFUSED/),
  })
  expect(await smoke('http://localhost', '--everything')).toMatchObject({ code: 2 })
  expect(await smoke('http://localhost', '--wait=long')).toMatchObject({ code: 2 })
})
