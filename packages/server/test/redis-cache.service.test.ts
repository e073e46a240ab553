import { readFileSync } from 'node:fs'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Cache } from '../src/cache/cache.ts'
import { absent, cacheContract, present } from './contract/cache.ts'
import { type RedisOptions, type RedisServer, startRedis } from './services/redis.ts'
import { openRedisCache } from './support/redis-cache.ts'

function useRedis(options: RedisOptions = {}) {
  let server: RedisServer
  const closing: (() => Promise<void>)[] = []
  beforeAll(async () => {
    server = await startRedis(options)
  })
  afterEach(async () => {
    for (const close of closing.splice(0)) await close()
  })
  afterAll(() => server.stop())
  return {
    get server() {
      return server
    },
    async open(cacheOptions: Parameters<typeof openRedisCache>[1] = {}) {
      const opened = await openRedisCache(server.url, cacheOptions)
      closing.push(opened.close)
      return opened
    },
  }
}

const held = async (cache: Cache, ...keys: string[]) => Object.fromEntries(await cache.get(keys))

describe('on Redis', () => {
  const redis = useRedis()
  cacheContract('RedisCache', { open: async () => (await redis.open()).cache })

  test('instances of one store share it, those of another store do not', async () => {
    const one = await redis.open({ storeId: 'store.1' })
    const other = await redis.open({ storeId: 'store.1' })
    const afterFailover = await redis.open({ storeId: 'store.2' })
    one.cache.set([present('a', '1', 5)])
    await expect.poll(() => held(other.cache, 'a')).toEqual({ a: present('a', '1', 5) })
    // The slower of two instances.
    other.cache.set([present('a', '0', 4), present('b', '1', 6)])
    await expect.poll(() => held(one.cache, 'b')).not.toEqual({})
    expect(await held(one.cache, 'a')).toEqual({ a: present('a', '1', 5) })
    expect(await held(afterFailover.cache, 'a', 'b')).toEqual({})
  })

  test('an item goes when its time is over, counted from when it was put last', async () => {
    const { cache, redis: connection } = await redis.open({ storeId: 'ttl', ttlSeconds: 100 })
    cache.set([present('a', '1', 1)])
    await expect.poll(() => held(cache, 'a')).not.toEqual({})
    const livesMs = () => connection.call((client) => client.pTTL('livekv:ttl:entry:a'))
    expect(await livesMs()).toBeGreaterThan(0)
    expect(await livesMs()).toBeLessThanOrEqual(100_000)
    await connection.call((client) => client.expire('livekv:ttl:entry:a', 10))
    cache.set([present('a', '1', 2)])
    await expect.poll(livesMs).toBeGreaterThan(10_000)
    await connection.call((client) => client.pExpire('livekv:ttl:entry:a', 1))
    await expect.poll(() => held(cache, 'a')).toEqual({})
  })

  test('what is damaged, copied from another key or of another kind is a miss, counted and replaced', async () => {
    const { cache, redis: connection } = await redis.open({ storeId: 'odd' })
    const keys = ['cut', 'changed', 'copied', 'foreign', 'list', 'empty']
    cache.set([...keys.map((key) => present(key, '"a value"', 9)), absent('origin', 1, 1)])
    await expect.poll(async () => Object.keys(await held(cache, ...keys)).length).toBe(keys.length)
    await connection.call(async (client) => {
      const name = (key: string) => `livekv:odd:entry:${key}`
      const text = (await client.get(name('cut')))!
      await client.set(name('cut'), text.slice(0, -1))
      await client.set(name('changed'), (await client.get(name('changed')))!.replace('value', 'vaLue'))
      await client.set(name('copied'), text)
      await client.set(name('foreign'), '{"json":true}')
      await client.set(name('empty'), '')
      await client.del(name('list'))
      await client.lPush(name('list'), 'x')
    })
    expect(await held(cache, ...keys)).toEqual({})
    // A list is no string, and is not even given by MGET.
    expect(cache.stats()).toMatchObject({ corrupt: 5 })
    cache.set(keys.map((key) => present(key, '1', 10)))
    await expect.poll(async () => Object.keys(await held(cache, ...keys)).length).toBe(keys.length)
  })

  test('gets of one turn are one MGET, and sets of one turn one script', async () => {
    const { cache, redis: connection } = await redis.open()
    const calls = async (command: string) => {
      const info = await connection.call((client) => client.info('commandstats'))
      return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(info)?.[1] ?? 0)
    }
    cache.set([present('warm', '1', 1)])
    await expect.poll(() => held(cache, 'warm')).not.toEqual({})
    const before = { mget: await calls('mget'), evalsha: await calls('evalsha') }
    for (let at = 0; at < 40; at++) cache.set([present(`k${at}`, '1', 1)])
    await Promise.all(Array.from({ length: 40 }, (_, at) => cache.get([`k${at}`, 'warm'])))
    expect(await calls('mget')).toBe(before.mget + 1)
    await expect.poll(() => calls('evalsha')).toBe(before.evalsha + 1)
  })

  test('a value too large for it is not put, and the others are', async () => {
    const { cache } = await redis.open()
    cache.set([present('large', `"${'x'.repeat(200_000)}"`, 1), present('small', '1', 2)])
    await expect.poll(() => held(cache, 'large', 'small')).toEqual({ small: present('small', '1', 2) })
    expect(cache.stats().lost).toBe(1)
  })

  test('what waits for Redis is bounded; what does not fit is dropped and counted', async () => {
    const { cache } = await redis.open()
    cache.set(Array.from({ length: 10_500 }, (_, at) => present(`k${at}`, '1', at + 1)))
    expect(cache.stats().lost).toBe(500)
    await cache.close()
    expect(await held(cache, 'k9999', 'k10000')).toEqual({ k9999: present('k9999', '1', 10_000) })
  })

  test('started again empty it forgets the script and the items, and takes new ones', async () => {
    const { cache } = await redis.open()
    cache.set([present('a', '1', 1)])
    await expect.poll(() => held(cache, 'a')).not.toEqual({})
    await redis.server.restart()
    await expect.poll(() => cache.problem).toBeNull()
    expect(await held(cache, 'a')).toEqual({})
    cache.set([present('a', '1', 1)])
    await expect.poll(() => held(cache, 'a')).toEqual({ a: present('a', '1', 1) })
  })
})

describe('on Redis with TLS and a user', () => {
  const redis = useRedis({ tls: true, user: 'livekv', password: 's3cret/:@' })
  const trusted = getCACertificates('default')
  beforeAll(() => setDefaultCACertificates([...trusted, readFileSync(redis.server.caFile!, 'utf8')]))
  afterAll(() => setDefaultCACertificates(trusted))
  cacheContract('RedisCache, rediss://', { open: async () => (await redis.open()).cache })

  test('a certificate nobody vouches for, and a wrong password, are no connection; the reason has no secret', async () => {
    setDefaultCACertificates(trusted)
    const distrusted = await redis.open()
    expect(distrusted.cache.problem).toMatch(/^Redis at rediss:\/\/127\.0\.0\.1:\d+ is away: .*certificate/)
    setDefaultCACertificates([...trusted, readFileSync(redis.server.caFile!, 'utf8')])
    const url = new URL(redis.server.url)
    url.password = 'wrong-one'
    const refused = await openRedisCache(url.href)
    try {
      await expect.poll(() => refused.cache.problem).toMatch(/WRONGPASS/)
      expect(refused.cache.problem).not.toContain('wrong-one')
      expect(refused.cache.get(['a'])).toEqual(new Map())
      expect(refused.logged).toEqual(['Redis is away: going on without it'])
    } finally {
      await refused.close()
    }
  })
})
