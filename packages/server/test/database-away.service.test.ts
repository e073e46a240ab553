import { once } from 'node:events'
import { createServer } from 'node:net'
import { pino } from 'pino'
import { afterEach, describe, expect, type TestContext, test } from 'vitest'
import { createApp } from '../src/app.ts'
import { loadConfig } from '../src/config.ts'
import { Hub } from '../src/live/hub.ts'
import { Tail } from '../src/live/tail.ts'
import { StartError } from '../src/start-error.ts'
import { Database, NotSentError } from '../src/store/database.ts'
import { DatabaseClient } from '../src/store/database-client.ts'
import { PostgresStore } from '../src/store/postgres.ts'
import { freePort } from './services/free-port.ts'
import { startPostgres } from './services/postgres.ts'
import { TcpProxy } from './services/tcp-proxy.ts'
import { createTestDatabase } from './services/test-database.ts'

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const silent = pino({ level: 'silent' })
const ONE = { name: 'one', text: 'select 1 as one' }

async function startApp(environment: Record<string, string>) {
  const lines: string[] = []
  const log = pino({ base: null }, { write: (line: string) => void lines.push(line) })
  const { config } = loadConfig({ PORT: '0', SHUTDOWN_TIMEOUT: '2s', ...environment })
  const app = createApp(config, log)
  app.then(
    ({ close }) => closing.push(close),
    () => {},
  )
  return { app, log: () => lines.join('') }
}

function withPassword(url: string, password: string): string {
  const other = new URL(url)
  other.password = password
  return other.href
}

describe('a server that starts', () => {
  test('waits for its database, says for which, and begins when it comes', async () => {
    const server = await startPostgres()
    closing.push(() => server.stop())
    const url = await server.createDatabase()
    await server.shutDown()
    const { app, log } = await startApp({ DATABASE_URL: url, STARTUP_TIMEOUT: '1h' })
    const name = new URL(url).pathname.slice(1)
    await expect
      .poll(log)
      .toContain(`waiting for PostgreSQL at 127.0.0.1:${server.port}, database \\"${name}\\"`)
    expect(log()).not.toContain(new URL(url).password)
    await server.start()
    expect((await app).description).toContain('PostgreSQL')
  })

  test('gives up in time with the reason and without the password', async () => {
    const url = `postgres://me:hidden-secret@127.0.0.1:${await freePort()}/db`
    const { app, log } = await startApp({ DATABASE_URL: url, STARTUP_TIMEOUT: '300ms' })
    const error = await app.catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(StartError)
    expect((error as Error).message).toMatch(/database "db", was not there within 0\.3 s .*ECONNREFUSED/)
    expect((error as Error).message + log()).not.toContain('hidden-secret')
  })

  // Each would otherwise wait for an hour.
  test('does not wait for what waiting cannot mend', async () => {
    const url = await createTestDatabase()
    const cases: [string, RegExp][] = [
      [withPassword(url, 'hidden-secret'), /refuses this user or password.*DB_PASSWORD/],
      [`${url}?sslmode=require`, /does not support SSL.*sslmode=disable/],
      [`${url}?sslmode=prefer`, /sslmode=prefer.*write sslmode=require/],
      [`${url}?sslmode=verify-ca`, /no sslrootcert/],
      [`${url}?sslmode=hidden-secret`, /write disable, require/],
      [`${url}?sslmode=verify-full&sslrootcert=/no/such.pem`, /\/no\/such\.pem.*ENOENT/],
    ]
    for (const [DATABASE_URL, message] of cases) {
      const { app } = await startApp({ DATABASE_URL, STARTUP_TIMEOUT: '1h' })
      const error = await app.catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(StartError)
      expect((error as Error).message).toMatch(message)
      expect((error as Error).message).not.toContain('hidden-secret')
    }
    const unsafe = await startPostgres({ settings: { fsync: 'off' } })
    closing.push(() => unsafe.stop())
    const { app } = await startApp({ DATABASE_URL: unsafe.url, STARTUP_TIMEOUT: '1h' })
    await expect(app).rejects.toThrow(/fsync=off.*Set fsync=on/)
  })

  test('makes the database that is missing', async () => {
    const url = new URL(await createTestDatabase())
    url.pathname += '_made'
    const { app, log } = await startApp({ DATABASE_URL: url.href })
    await app
    expect(log()).toContain('made the database')
  })
})

/** They wait for deadlines, most of the time: side by side. */
describe.concurrent('connections that have died without a word', () => {
  async function proxied({ onTestFinished }: TestContext) {
    const direct = await createTestDatabase()
    const proxy = await TcpProxy.start({ port: Number(new URL(direct).port) })
    onTestFinished(() => proxy.close())
    return { proxy, direct, url: proxy.through(direct) }
  }

  test('cost one statement its time, and not the next ones too', async (context) => {
    const { proxy, url } = await proxied(context)
    const store = await PostgresStore.open({
      database: { url, poolSize: 6 },
      retention: { maxChanges: 1e8, maxAgeMs: undefined },
      log: silent,
    })
    context.onTestFinished(() => store.close())
    await Promise.all(Array.from({ length: 20 }, () => store.get(['k'])))
    expect(proxy.connections).toBeGreaterThan(3)
    proxy.abandon()
    // Both the commit and the fence after it would find a dead one, and the deadline would pass.
    expect(await store.commit([{ op: 'put', key: 'k', json: '1' }])).toMatchObject([{ status: 'applied' }])
    expect((await store.get(['k'])).entries.get('k')?.json).toBe('1')
  })

  test('keep watchers waiting less long than a read that may take its time', async (context) => {
    const { proxy, direct, url } = await proxied(context)
    const retention = { maxChanges: 1e8, maxAgeMs: undefined }
    const open = async (way: string) => {
      const store = await PostgresStore.open({ database: { url: way, poolSize: 6 }, retention, log: silent })
      context.onTestFinished(() => store.close())
      return store
    }
    const [store, other] = [await open(url), await open(direct)]
    const tail = new Tail({ maxEntries: 100, maxBytes: 1e6 })
    const watched = { keys: () => [], prefixes: () => [''], known: () => [] }
    const hub = new Hub({ store, tail, watched, log: silent })
    context.onTestFinished(() => hub.close())
    await hub.start()
    const shown = new Promise((resolve) => hub.listen(() => resolve('the change')))
    await Promise.all(Array.from({ length: 20 }, () => store.get(['k'])))
    expect(proxy.connections).toBeGreaterThan(3)
    proxy.abandon()
    const read = store.history({ key: 'k', by: 'time', order: 'asc', limit: 1 }).catch(() => {})
    await other.commit([{ op: 'put', key: 'k', json: '1' }])
    expect(await Promise.race([shown, read.then(() => 'the end of the read')])).toBe('the change')
    await read
  })

  test('keep nobody waiting for a page or a key as long as a read that may take its time', async (context) => {
    const { proxy, url } = await proxied(context)
    const database = new Database({ url, poolSize: 4 }, silent)
    context.onTestFinished(() => database.close())
    const rest = { name: 'rest', text: 'select pg_sleep(0.5)' }
    await Promise.all([1, 2, 3].map(() => database.run('read', rest, [])))
    expect(proxy.connections).toBe(3)
    proxy.abandon()
    const ended: string[] = []
    const long = database.run('bulk', ONE, []).catch(() => ended.push('long'))
    const soon = ['read', 'bulk'] as const
    const asked = soon.map((lane) => database.ask(lane, ONE, []).then(() => ended.push(lane)))
    await Promise.all([long, ...asked])
    expect(ended.toSorted()).toEqual(['bulk', 'long', 'read'])
    expect(ended.at(-1)).toBe('long')
  })

  test('give the place in the pool back that Sequelize’s own calls hold', async (context) => {
    const { proxy, url } = await proxied(context)
    const database = new Database({ url, poolSize: 2 }, silent)
    context.onTestFinished(() => database.close())
    const query = () => database.maintain(() => database.sequelize.query('select pg_sleep(0.2)'))
    await query()
    const dead = query()
    proxy.abandon()
    await expect(dead).rejects.toThrow()
    await query()
  })

  test('are noticed while they are set up', async (context) => {
    const { proxy, url } = await proxied(context)
    const client = new DatabaseClient({ connectionString: url })
    client.on('error', () => {})
    await client.connect()
    proxy.abandon()
    await expect(client.query('select 1')).rejects.toThrow()
  })
})

test('a server that cannot be reached is left alone for a moment, and found again', async () => {
  let attempts = 0
  let isUp = false
  const target = new URL(await createTestDatabase())
  const proxy = await TcpProxy.start({ port: Number(target.port) })
  closing.push(() => proxy.close())
  const front = createServer((socket) => {
    attempts++
    socket.on('error', () => {})
    if (!isUp) socket.destroy()
  }).listen(0, '127.0.0.1')
  await once(front, 'listening')
  closing.push(async () => front.close())
  proxy.leadTo({ port: (front.address() as { port: number }).port })
  const database = new Database({ url: proxy.through(target.href), poolSize: 4 }, silent)
  closing.push(() => database.close())
  const calls = 300
  for (let call = 0; call < calls; call++) {
    await expect(database.run('read', ONE, [])).rejects.toBeInstanceOf(NotSentError)
  }
  expect(attempts).toBeLessThan(calls / 2)
  isUp = true
  proxy.leadTo({ port: Number(target.port) })
  await expect.poll(() => database.run('read', ONE, []).catch(() => 'away')).toEqual([{ one: 1 }])
})
