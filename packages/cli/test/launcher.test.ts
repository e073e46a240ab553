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

test('a server that does not answer: exit code 5 after a while', async () => {
  const server = await silentServer()
  const ended = await startCli(['put', 'x', '1'], { url: server.url, launcher: true }).ended
  expect(ended).toMatchObject({ code: 5, stdout: '' })
  expect(ended.stderr).toContain(`No answer from ${server.url}`)
  server.close()
})

test('an answer that is not LiveKV’s is said to be none', async () => {
  const server = createServer((_request, response) => response.writeHead(404).end('<h1>Not here</h1>'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const ended = await startCli(['get', 'x'], { url, launcher: true }).ended
  expect(ended.code).toBe(1)
  expect(ended.stderr).toContain('not as a LiveKV server')
  server.close()
})

test('a read that is answered with 503, or not at all, is asked again', async () => {
  let requests = 0
  const server = createServer((request, response) => {
    requests++
    if (requests === 1)
      response.writeHead(503).end('{"error":"full","code":"OVERLOADED","retryAfterSeconds":0}')
    else if (requests === 2) request.socket.destroy()
    else if (requests === 3) response.writeHead(502).end('<h1>Bad gateway</h1>')
    else response.end('{"key":"x","value":1.50,"revision":7}')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const ended = await startCli(['get', 'x'], { url, launcher: true }).ended
  expect(ended).toMatchObject({ code: 0, stdout: '1.50\n', stderr: '' })
  expect(requests).toBe(4)
  server.close()
})
