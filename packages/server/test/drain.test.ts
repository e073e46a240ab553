import { mkdtemp, rm } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { freePort } from './services/free-port.ts'
import { ServerProcess } from './sigkill/server-process.ts'
import { checkDrain } from './support/check-drain.ts'
import { runDrain } from './support/drain-run.ts'
import { answerOf, begin, untilSeen } from './support/raw-request.ts'

/** Each starts processes, which a busy machine takes long for. */
const TIMEOUT_MS = 600_000

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function serverWith(environment: Record<string, string>) {
  const folder = await mkdtemp(join(tmpdir(), 'livekv-drain-'))
  closing.push(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  const port = await freePort()
  const server = new ServerProcess(port, folder, environment)
  closing.push(() => server.kill())
  return { server, port }
}

async function begun(port: number, text: string): Promise<Socket> {
  const socket = await begin(port, text)
  closing.push(async () => socket.destroy())
  return socket
}

const isRefused = (server: ServerProcess) =>
  fetch(`${server.url}/healthz`).then(
    () => false,
    () => true,
  )

test(
  'SIGTERM under load, embedded store: what is under way is answered, what was acknowledged is kept',
  async () => {
    const { server } = await serverWith({ SHUTDOWN_TIMEOUT: '60s' })
    checkDrain(await runDrain(server), server.output)
    expect.hasAssertions()
  },
  TIMEOUT_MS,
)

test(
  'while it drains it takes no new connections, and those that are left are told that it is not ready',
  async () => {
    const { server, port } = await serverWith({ SHUTDOWN_TIMEOUT: '10m' })
    await server.start()
    const asking = await begun(port, 'GET /readyz HTTP/1.1\r\nHost: localhost\r\n')
    const writing = await begun(
      port,
      'POST /add HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 24\r\n\r\n',
    )
    await untilSeen(port)
    const exited = server.terminate()
    await expect.poll(() => isRefused(server)).toBe(true)
    const answers = [asking, writing].map(answerOf)
    asking.write('\r\n')
    const told = await answers[0]
    for (const part of [
      /^HTTP\/1\.1 503 /,
      /^Retry-After: \d+\r$/m,
      /^Connection: close\r$/m,
      /SHUTTING_DOWN/,
    ]) {
      expect(told).toMatch(part)
    }
    writing.write('{"key":"late","value":1}')
    expect(await answers[1]).toMatch(/^HTTP\/1\.1 200 /)
    expect(await exited, server.output).toBe(0)
  },
  TIMEOUT_MS,
)

test(
  'a request that never ends does not keep it',
  async () => {
    const { server, port } = await serverWith({ SHUTDOWN_TIMEOUT: '500ms' })
    await server.start()
    await begun(port, 'POST /add HTTP/1.1\r\nHost: localhost\r\nContent-Length: 24\r\n\r\n{')
    await untilSeen(port)
    expect(await server.terminate(), server.output).toBe(0)
  },
  TIMEOUT_MS,
)
