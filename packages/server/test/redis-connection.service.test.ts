import { ErrorReply } from 'redis'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { RedisCache } from '../src/cache/redis.ts'
import { RedisAwayError, RedisConnection } from '../src/redis/redis-connection.ts'
import { present } from './contract/cache.ts'
import { type RedisOptions, type RedisServer, startRedis } from './services/redis.ts'
import { TcpProxy } from './services/tcp-proxy.ts'

let first: RedisServer
let second: RedisServer
let way: TcpProxy
let connection: RedisConnection
let logged: string[]
const AWAY = 'Redis is away: going on without it'
const BACK = 'Redis is back'

beforeAll(async () => {
  ;[first, second] = [await startRedis(), await startRedis()]
})
afterEach(async () => {
  await connection.close()
  await way.close()
  first.resume()
  await first.start()
})
afterAll(async () => {
  await first.stop()
  await second.stop()
})

async function connect(): Promise<RedisConnection> {
  way = await TcpProxy.start({ port: first.port })
  logged = []
  const note = (_details: object, message: string) => logged.push(message)
  connection = new RedisConnection({
    url: way.through(first.url),
    name: 'test',
    log: { info: note, warn: note } as never,
  })
  await connection.start()
  return connection
}

/** What is logged of a Redis, by a connection of its own, until `isDone`. */
async function logOf(options: RedisOptions, isDone: (connection: RedisConnection) => Promise<void>) {
  const server = await startRedis(options)
  const lines: unknown[] = []
  const note = (...line: unknown[]) => lines.push(line)
  const other = new RedisConnection({
    url: server.url,
    name: 'test',
    log: { info: note, warn: note } as never,
  })
  try {
    await other.start()
    await isDone(other)
    return JSON.stringify([lines, other.problem])
  } finally {
    await other.close()
    await server.stop()
  }
}

const ping = () => connection.call((client) => client.ping())
const isAway = () => expect.poll(() => connection.problem).not.toBeNull()
const isBack = () => expect.poll(() => connection.problem).toBeNull()

test('while Redis is stopped a call is given up, and soon none is sent any more; when it goes on, they are', async () => {
  await connect()
  expect(await ping()).toBe('PONG')
  first.pause()
  await expect(ping()).rejects.toThrow(RedisAwayError)
  await isAway()
  expect(connection.problem).toMatch(/^Redis at redis:\/\/127\.0\.0\.1:\d+ is away: no answer in 100 ms\.$/)
  const { skipped, failures } = connection.stats()
  const refused = Array.from({ length: 50 }, () => ping().catch((error: unknown) => error))
  // Not sent: what would have to wait for an answer that never comes would be counted later.
  expect(connection.stats()).toMatchObject({ up: 0, skipped: skipped + 50, failures })
  expect((await Promise.all(refused)).every((error) => error instanceof RedisAwayError)).toBe(true)
  first.resume()
  await isBack()
  expect(await ping()).toBe('PONG')
  await expect.poll(() => logged).toEqual([AWAY, BACK])
})

test('a connection on which nothing comes back is dropped, and the next one is used', async () => {
  await connect()
  first.pause()
  way.leadTo({ port: second.port })
  await isAway()
  await isBack()
  expect(await ping()).toBe('PONG')
  expect(connection.stats().dropped).toBe(1)
})

test('a connection that is not even greeted is dropped too', async () => {
  first.pause()
  await connect()
  expect(connection.problem).not.toBeNull()
  await expect(ping()).rejects.toThrow(RedisAwayError)
  way.leadTo({ port: second.port })
  await isBack()
  expect(await ping()).toBe('PONG')
})

test('killed, started again and cut, time after time: each outage is logged once, and it always comes back', async () => {
  await connect()
  for (let round = 1; round <= 3; round++) {
    await first.kill()
    await isAway()
    await expect.poll(() => logged.length).toBe(2 * round - 1)
    await first.start()
    await isBack()
    await expect.poll(() => logged.length).toBe(2 * round)
  }
  for (let round = 0; round < 20; round++) {
    const calls = Array.from({ length: 10 }, ping)
    way.cut()
    await Promise.allSettled(calls)
  }
  await isBack()
  expect(await ping()).toBe('PONG')
  expect(way.connections).toBe(1)
})

test('started without Redis it says so, and connects when Redis comes', async () => {
  await first.kill()
  await connect()
  expect(connection.problem).toMatch(/ECONN(REFUSED|RESET)/)
  expect(logged).toEqual([AWAY])
  await first.start()
  await isBack()
  await expect.poll(() => logged).toEqual([AWAY, BACK])
})

test('an error that Redis answers is told, and is no outage', async () => {
  await connect()
  for (let at = 0; at < 20; at++) {
    await expect(connection.call((client) => client.sendCommand(['NO-SUCH']))).rejects.toThrow(ErrorReply)
  }
  expect(connection.problem).toBeNull()
  expect(connection.stats()).toMatchObject({ up: 1, failures: 0, skipped: 0 })
})

test('closed while it is away it tries no more', async () => {
  await connect()
  await first.kill()
  await isAway()
  await connection.close()
  await first.start()
  await expect(ping()).rejects.toThrow()
  expect(way.connections).toBe(0)
})

test('a Redis that answers and refuses is no outage; it is said once a kind', async () => {
  await connect()
  const set = (name: string) => connection.call((client) => client.set(name, 'value'))
  await connection.call((client) => client.configSet('maxmemory', '1'))
  for (let n = 0; n < 20; n++) await expect(set(`key-${n}`)).rejects.toThrow(/^OOM/)
  expect(connection.problem).toBeNull()
  expect(logged.filter((message) => message.includes('refuses'))).toHaveLength(1)
  await connection.call((client) => client.configSet('maxmemory', '0'))
  expect(await set('key')).toBe('OK')
})

test('a Redis that does not know a command repeats what came with it: neither password nor user is told', async () => {
  const login = { password: 's3cret/pass', settings: { 'rename-command': 'HELLO ""' } }
  const told = await logOf(login, (it) => expect.poll(() => it.problem).toContain("unknown command 'HELLO'"))
  expect(told).toContain('is away')
  expect(told).not.toMatch(/s3cret|AUTH/)
  const user = { user: 'livekv-user', password: 's3cret/pass' }
  const asUser = await logOf(user, async (it) => {
    await it.call((client) => client.sendCommand(['NO-SUCH', 's3cret/pass'])).catch(() => {})
    await it
      .call((client) => client.sendCommand(['ACL', 'SETUSER', 'livekv-user', '-get']))
      .then(() => it.call((client) => client.get('key')))
      .catch(() => {})
  })
  expect(asUser).toContain("unknown command 'NO-SUCH'")
  expect(asUser).toContain('NOPERM')
  expect(asUser).not.toMatch(/s3cret|livekv-user/)
})

test('what is put into the cache is not told when Redis refuses the script', async () => {
  const settings = { 'rename-command': 'EVALSHA ""' }
  const told = await logOf({ settings }, async (redis) => {
    const cache = new RedisCache({ redis, storeId: 's', ttlSeconds: 600, maxBytes: 1e6 })
    cache.set([present('hidden-key', '"hidden-value"', 5)])
    await cache.close()
    expect(cache.stats().lost).toBe(1)
  })
  expect(told).toContain("unknown command 'EVALSHA'")
  expect(told).not.toContain('hidden')
})

test('what waits for a Redis that is stopped is bounded: more is refused at once, and it comes back all the same', async () => {
  await connect()
  expect(await ping()).toBe('PONG')
  first.pause()
  const [bound, more] = [10_000, 500]
  const calls = Array.from({ length: bound + more }, () => ping().catch((error: Error) => error.message))
  // The first ones still wait for their answers.
  expect(await Promise.race([calls[0], calls.at(-1)])).toBe('The queue is full')
  const answers = await Promise.all(calls)
  expect(answers.slice(bound)).toEqual(Array.from({ length: more }, () => 'The queue is full'))
  expect(answers.filter((answer) => answer === 'no answer in 100 ms').length).toBeGreaterThan(bound - 10)
  const { skipped } = connection.stats()
  await expect(ping()).rejects.toThrow(RedisAwayError)
  expect(connection.stats().skipped).toBe(skipped + 1)
  first.resume()
  await isBack()
  expect(await ping()).toBe('PONG')
})
