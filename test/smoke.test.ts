import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
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

test('where nothing answers it ends at once, and tells wrong arguments from a failure', async () => {
  const silent = createServer()
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const { port } = silent.address() as AddressInfo
  await new Promise((resolve) => silent.close(resolve))
  expect(await smoke(`http://127.0.0.1:${port}`)).toMatchObject({
    code: 1,
    output: expect.stringContaining('ECONNREFUSED'),
  })
  expect(await smoke('http://localhost', '--everything')).toMatchObject({ code: 2 })
})
