import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { freePort } from './services/free-port.ts'
import { TcpProxy } from './services/tcp-proxy.ts'
import { createTestDatabase } from './services/test-database.ts'
import { ServerProcess } from './sigkill/server-process.ts'
import { checkDrain } from './support/check-drain.ts'
import { runDrain } from './support/drain-run.ts'
import { answerOf, begin, untilSeen } from './support/raw-request.ts'

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

test(
  'SIGTERM under load, PostgreSQL: what is under way is answered, what was acknowledged is kept',
  async () => {
    const { server } = await serverWith({
      DATABASE_URL: await createTestDatabase(),
      SHUTDOWN_TIMEOUT: '60s',
    })
    checkDrain(await runDrain(server), server.output)
    expect.hasAssertions()
  },
  TIMEOUT_MS,
)

/** Past the timeout and its margin the exit code would be 1; a statement to a silent server alone takes longer. */
const SHUTDOWN_TIMEOUT = '4s'

test.each([
  ['silent', (proxy: TcpProxy) => proxy.blackHole(), /"code":"COMMIT_UNKNOWN"/],
  ['refusing', (proxy: TcpProxy) => proxy.refuse(), /"code":"STORE_FAILED".*"outcome":"not-applied"/],
] as const)(
  'SIGTERM while PostgreSQL is away (%s): all are answered with what is known, and it ends in order',
  async (_, takeAway, fate) => {
    const url = await createTestDatabase()
    const proxy = await TcpProxy.start({ port: Number(new URL(url).port) })
    closing.push(() => proxy.close())
    const { server, port } = await serverWith({ DATABASE_URL: proxy.through(url), SHUTDOWN_TIMEOUT })
    await server.start()
    await takeAway(proxy)
    const head = 'HTTP/1.1\r\nHost: localhost\r\n'
    const write = `POST /add ${head}Content-Type: application/json\r\nContent-Length: 23\r\n\r\n{"key":"k","value":123}`
    // The second waits until the first is settled.
    const sockets = [
      await begin(port, write),
      await begin(port, write),
      await begin(port, `GET /get/unknown ${head}\r\n`),
    ]
    for (const socket of sockets) closing.push(async () => socket.destroy())
    const answers = sockets.map(answerOf)
    await untilSeen(port)
    expect(await server.terminate(), server.output).toBe(0)
    const [first, second, read] = await Promise.all(answers)
    for (const answer of [first, second, read]) expect(answer).toMatch(/^HTTP\/1\.1 503 /)
    expect(first).toMatch(fate)
    expect(second).toMatch(/"code":"(STORE_FAILED|COMMIT_UNKNOWN)"/)
    expect(read).toMatch(/"code":"STORE_FAILED"/)
  },
  TIMEOUT_MS,
)
