import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { freePort } from './services/free-port.ts'
import { type KafkaServer, startKafka } from './services/kafka.ts'
import { sharedService } from './services/shared-service.ts'
import { TcpProxy } from './services/tcp-proxy.ts'
import { createTestDatabase } from './services/test-database.ts'
import { ServerProcess } from './sigkill/server-process.ts'
import { revisionsInTopic } from './support/topic-reader.ts'

/** Each starts processes, which a busy machine takes long for. */
const TIMEOUT_MS = 600_000

let kafka: KafkaServer
let way: TcpProxy
let folder: string
const closing: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  const port = await freePort()
  way = await TcpProxy.start({ port })
  kafka = await startKafka({ ways: [{ port, advertisedPort: way.port }] })
  folder = await mkdtemp(join(tmpdir(), 'livekv-kafka-drain-'))
}, TIMEOUT_MS)
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
  kafka.resume()
  way.heal()
})
afterAll(async () => {
  await kafka?.stop()
  await way?.close()
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
})

/** With Redis, and with Kafka by way of the proxy; resolves when it has both. */
async function startServer(environment: Record<string, string>): Promise<ServerProcess> {
  const server = new ServerProcess(await freePort(), folder, {
    REDIS_URL: await sharedService('redis'),
    KAFKA_BROKERS: `127.0.0.1:${way.port}`,
    ...environment,
  })
  closing.push(() => server.kill())
  await server.start()
  const readiness = async () => (await (await fetch(`${server.url}/readyz`)).json()) as { status: string }
  await expect.poll(async () => (await readiness()).status, { timeout: 60_000 }).toBe('ready')
  return server
}

function write(server: ServerProcess, key: string, value: number): Promise<Response> {
  const headers = { 'content-type': 'application/json' }
  return fetch(`${server.url}/add`, { method: 'POST', headers, body: JSON.stringify({ key, value }) })
}

test(
  'SIGTERM under load, with Redis and a slow Kafka: all that was committed is on the topic when it has ended',
  async () => {
    const databaseUrl = await createTestDatabase()
    const settings = { DATABASE_URL: databaseUrl, KAFKA_TOPIC: 'drained', SHUTDOWN_TIMEOUT: '60s' }
    // Alone: nobody else is there to publish again what it does not send.
    const server = await startServer(settings)
    way.delay(200)
    let acknowledged = 0
    let isOver = false
    const writers = Array.from({ length: 4 }, async (_, index) => {
      for (let value = 1; !isOver; value++) {
        const answer = await write(server, `key${index}`, value).catch(() => undefined)
        if (answer?.status !== 200) return
        acknowledged++
      }
    })
    await expect.poll(() => acknowledged).toBeGreaterThan(100)
    const exitCode = await server.terminate()
    isOver = true
    await Promise.all(writers)
    expect(exitCode, server.output).toBe(0)

    const client = new pg.Client(databaseUrl)
    await client.connect()
    const { rows } = await client.query<{ head: number }>('select revision::int as head from counter')
    await client.end()
    const head = rows[0]!.head
    expect(head).toBeGreaterThanOrEqual(acknowledged)
    const published = await revisionsInTopic(kafka.brokers, 'drained')
    expect(published).toEqual(Array.from({ length: head }, (_, index) => index + 1))
  },
  TIMEOUT_MS,
)

test(
  'SIGTERM while Kafka says nothing: what is waited for is a part of SHUTDOWN_TIMEOUT, however short that is',
  async () => {
    const settings = { DATABASE_URL: await createTestDatabase(), KAFKA_TOPIC: 'silent' }
    const [patient, hasty] = await Promise.all([
      startServer({ ...settings, SHUTDOWN_TIMEOUT: '4s' }),
      startServer({ ...settings, SHUTDOWN_TIMEOUT: '500ms' }),
    ])
    kafka.pause()
    for (const server of [patient, hasty]) expect((await write(server, 'unsent', 1)).status).toBe(200)
    const ended: [string, number | null][] = []
    const end = async (name: string, server: ServerProcess) => ended.push([name, await server.terminate()])
    const ending = [end('patient', patient)]
    await expect
      .poll(() =>
        fetch(`${patient.url}/healthz`).then(
          () => false,
          () => true,
        ),
      )
      .toBe(true)
    // Told later, and ends sooner.
    ending.push(end('hasty', hasty))
    await Promise.all(ending)
    expect(ended).toEqual([
      ['hasty', 0],
      ['patient', 0],
    ])
  },
  TIMEOUT_MS,
)
