import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { startCli } from './support/run-cli.ts'

/** A server that takes requests and never answers. */
async function silentServer(): Promise<{ url: string; asked: Promise<unknown>; close(): void }> {
  const server = createServer(() => {}).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: once(server, 'request'),
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

test.each(['SIGINT', 'SIGTERM'] as const)('%s to the launcher ends the command with 130', async (signal) => {
  const server = await silentServer()
  const running = startCli(['get', 'x'], { url: server.url, launcher: true })
  await server.asked
  running.child.kill(signal)
  expect(await running.ended).toMatchObject({
    code: 130,
    signal: null,
    stdout: '',
    stderr: 'livekv: Interrupted.\n',
  })
  server.close()
})

test('an answer that is not LiveKV’s is said to be none', async () => {
  const server = createServer((_request, response) => response.writeHead(404).end('<h1>Not here</h1>'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const ended = await startCli(['get', 'x'], { url, launcher: true }).ended
  expect(ended.code).toBe(1)
  expect(ended.stderr).toContain('not LiveKV')
  server.close()
})

test('503 with Retry-After is tried again, with the same idempotency key', async () => {
  const bodies: string[] = []
  const server = createServer(async (request, response) => {
    bodies.push(Buffer.concat(await request.toArray()).toString())
    if (bodies.length === 1)
      response.writeHead(503, { 'retry-after': '0' }).end('{"error":"full","code":"OVERLOADED"}')
    else if (bodies.length === 2) request.socket.destroy()
    else response.end('{"key":"x","op":"put","applied":true,"revision":7}')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const ended = await startCli(['put', 'x', '1.50'], { url, launcher: true }).ended
  expect(ended).toMatchObject({ code: 0, stdout: 'x is at revision 7\n' })
  expect(bodies).toHaveLength(3)
  expect(new Set(bodies).size).toBe(1)
  expect(bodies[0]).toMatch(/^\{"value":1\.50,.*"idempotencyKey":"[^"]+"\}$/)
  server.close()
})
