import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { io } from 'socket.io-client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort } from './services/free-port.ts'
import { startPostgres } from './services/postgres.ts'
import { createTestDatabase } from './services/test-database.ts'
import { runMain } from './support/main-process.ts'

const SECRETS = ['hidden-word', 'hidden%2Fword', 'hidden/word']
const VALUE = 'value-nobody-may-log'

let directory: string
const running: ReturnType<typeof runMain>[] = []
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'livekv-logs-'))
})
afterAll(async () => {
  for (const { child } of running) child.kill('SIGKILL')
  await rm(directory, { recursive: true, force: true })
})

function run(environment: Record<string, string>) {
  const started = runMain(directory, { PORT: '0', LOG_LEVEL: 'debug', ...environment })
  running.push(started)
  return started
}

function expectNoSecret(output: string): void {
  expect(output).not.toBe('')
  for (const secret of [...SECRETS, VALUE]) expect(output).not.toContain(secret)
}

/** Every line is one JSON object, which is one event. */
function lines(output: string): Record<string, unknown>[] {
  return output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

function withPassword(url: string, password: string): string {
  const other = new URL(url)
  other.password = password
  return other.href
}

test('no failure to start shows a secret', async () => {
  const database = await createTestDatabase()
  const dead = `127.0.0.1:${await freePort()}`
  const secrets = {
    REDIS_URL: `redis://me:hidden-word@${dead}`,
    KAFKA_BROKERS: dead,
    KAFKA_SASL_MECHANISM: 'PLAIN',
    KAFKA_SASL_USERNAME: 'me',
    KAFKA_SASL_PASSWORD: 'hidden-word',
    STARTUP_TIMEOUT: '200ms',
  }
  const cases: Record<string, string>[] = [
    // Mistakes of every kind.
    {
      DATABASE_URL: 'mysql://me:hidden-word@host/db',
      REDIS_URL: 'http://:hidden-word@host',
      KAFKA_BROKERS: 'me:hidden-word@host:9092',
      KAFKA_SASL_PASSWORD: 'hidden-word',
      ALLOWED_ORIGINS: 'https://me:hidden-word@host/path',
    },
    { DATABASE_URL: 'postgres://me:hidden-word@[bad/db' },
    { ...secrets, DATABASE_URL: `postgres://me:hidden-word@${dead}/db` },
    { ...secrets, DATABASE_URL: `postgres://me:hidden%2Fword@${dead}/db` },
    { ...secrets, DATABASE_URL: `postgres://me:hidden-word@no-such-host.invalid/db` },
    { ...secrets, DB_HOST: '127.0.0.1', DB_PORT: dead.split(':')[1]!, DB_PASSWORD: 'hidden/word' },
    { ...secrets, DATABASE_URL: withPassword(database, 'hidden-word') },
    { ...secrets, DATABASE_URL: `${withPassword(database, 'hidden-word')}?sslmode=require` },
    {
      ...secrets,
      DATABASE_URL: `${withPassword(database, 'hidden-word')}?sslmode=verify-ca&sslrootcert=/no`,
    },
  ]
  for (const environment of cases) {
    const { exit, output } = run(environment)
    expect(await exit, output()).toBe(1)
    expectNoSecret(output())
    expect(output()).not.toContain('    at ')
  }
}, 600_000)

test('neither values nor secrets get into the log, whatever fails; one line per event, with the request’s id', async () => {
  const server = await startPostgres()
  const dead = `127.0.0.1:${await freePort()}`
  const { child, exit, output, printed } = run({
    DATABASE_URL: server.url,
    REDIS_URL: `redis://me:hidden-word@${dead}`,
    KAFKA_BROKERS: dead,
    KAFKA_SASL_MECHANISM: 'PLAIN',
    KAFKA_SASL_USERNAME: 'me',
    KAFKA_SASL_PASSWORD: 'hidden-word',
  })
  try {
    const [, url] = await printed(/listening on (http:[^ ]+)/)
    const send = (path: string, body: string, headers: Record<string, string> = {}, method = 'POST') =>
      fetch(`${url}${path}`, { method, body, headers: { 'content-type': 'application/json', ...headers } })
    const ready = await fetch(`${url}/readyz`)
    const told = await ready.text()
    expect([ready.status, JSON.parse(told)]).toEqual([
      200,
      {
        status: 'degraded',
        degraded: [
          { part: 'cache', problem: expect.any(String) },
          { part: 'bus', problem: expect.any(String) },
          { part: 'sockets', problem: expect.any(String) },
        ],
      },
    ])
    expectNoSecret(told)
    for (const shown of [told, await (await fetch(`${url}/api/v1/status`)).text()]) {
      // Where the others are is for the log alone, and why they are not reached.
      expect(shown).toContain('"degraded":[{"part":"cache"')
      expect(shown).not.toMatch(/127\.0\.0\.1|redis:|ECONN/)
    }
    expect(output()).toContain(dead)
    expect(output()).toContain('ECONNREFUSED')
    const value = JSON.stringify(VALUE)
    expect((await send('/add', `{"key":"a","value":${value}}`)).status).toBe(200)
    const malformed = await send('/add', `{"key":"a","value":${value}`, { 'x-request-id': 'from-a.proxy:1' })
    expect([malformed.status, malformed.headers.get('x-request-id')]).toEqual([400, 'from-a.proxy:1'])
    // Not one that may stand in a log: another is made.
    const strange = await send('/add', '{', { 'x-request-id': `"${VALUE}"` })
    expect(strange.headers.get('x-request-id')).toMatch(/^[\da-f-]{36}$/)
    await send('/api/v1/entries/a', `{"op":"increment","by":1}`, {}, 'PATCH')
    await send('/api/v1/entries/a', `{"op":"increment","by":${value}}`, {}, 'PATCH')
    await send('/api/v1/entries/b', `{"value":${value},"idempotencyKey":"k"}`, {}, 'PUT')
    await send('/api/v1/entries/b', `{"value":[${value}],"idempotencyKey":"k"}`, {}, 'PUT')
    await send('/api/v1/entries/%00', `{"value":${value}}`, {}, 'PUT')
    await send('/add', `{"key":"c","value":"${VALUE}\\ud800"}`)
    await send('/api/v1/batch', `{"writes":[{"op":"put","key":"d","value":${value},"ttlMs":-1}]}`)
    const socket = io(url!, { forceNew: true, transports: ['websocket'], auth: { protocol: 1 } })
    await new Promise<void>((resolve) => socket.once('connect', resolve))
    await socket.emitWithAck('put', { key: 'e', value: VALUE, ifRevision: 5 })
    await socket.emitWithAck('put', { key: 'e', value: VALUE, [VALUE]: 1 })

    const metrics = await (await fetch(`${url}/metrics`)).text()
    expectNoSecret(metrics)
    expect(metrics).toMatch(/^livekv_degraded\{part="bus"\} 1$/m)
    expect(metrics).toMatch(/^livekv_bus_backlog [1-9]/m)

    // The database goes while something is written, and comes back.
    const unanswered = Array.from({ length: 20 }, (_, n) =>
      send('/add', `{"key":"k${n}","value":${value}}`, { 'x-request-id': 'while-it-went' }),
    )
    await server.restart('immediate')
    await Promise.all(unanswered)
    await server.shutDown()
    const refused = await fetch(`${url}/api/v1/history?key=a`, { headers: { 'x-request-id': 'while-away' } })
    expect([refused.status, refused.headers.get('x-request-id')]).toEqual([503, 'while-away'])
    // Where the database is and what it says is for the log alone.
    expect(await refused.text()).not.toMatch(/127\.0\.0\.1|ECONN|terminat/)
    await expect.poll(output).toContain('"requestId":"while-away"')
    socket.disconnect()
    child.kill('SIGTERM')
    expect(await exit, output()).toBe(0)
    expectNoSecret(output())
    const failed = lines(output()).filter(({ requestId }) => requestId === 'while-away')
    expect(failed).toMatchObject([
      { method: 'GET', path: '/api/v1/history', code: 'STORE_FAILED', reason: expect.stringMatching(/\w/) },
    ])
  } finally {
    child.kill('SIGKILL')
    await server.stop()
  }
}, 600_000)
