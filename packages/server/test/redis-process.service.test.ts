/** The real server as a process of its own, on a real PostgreSQL and a real Redis. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from 'redis'
import { expect, test } from 'vitest'
import { freePort } from './services/free-port.ts'
import { startRedis } from './services/redis.ts'
import { TcpProxy } from './services/tcp-proxy.ts'
import { createTestDatabase } from './services/test-database.ts'
import { ServerProcess } from './sigkill/server-process.ts'

test('killed between commit and cache write, it does not believe what Redis holds when it starts again; and it outlives Redis', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'livekv-redis-'))
  const redis = await startRedis()
  const way = await TcpProxy.start({ port: redis.port })
  const server = new ServerProcess(await freePort(), folder, {
    DATABASE_URL: await createTestDatabase(),
    REDIS_URL: way.through(redis.url),
  })
  const call = async (path: string, init: RequestInit = {}) => {
    const answer = await fetch(`${server.url}${path}`, {
      ...init,
      headers: { 'content-type': 'application/json' },
    })
    return { status: answer.status, body: (await answer.json()) as { value?: unknown; complete?: boolean } }
  }
  const put = (key: string, value: number) =>
    call('/add', { method: 'POST', body: JSON.stringify({ key, value }) })
  const held = async (key: string) => {
    const client = await createClient({ url: redis.url }).connect()
    const [name] = await client.keys(`livekv:*:${key}`)
    const text = name && (await client.get(name))
    client.destroy()
    return text?.split(' ').at(-1)
  }
  try {
    await server.start()
    for (const key of ['changed', 'deleted']) expect((await put(key, 1)).status).toBe(200)
    for (const key of ['changed', 'deleted']) await expect.poll(() => held(key)).toBe('1')
    await way.refuse()
    expect((await put('changed', 2)).status).toBe(200)
    expect((await call('/api/v1/entries/deleted', { method: 'DELETE' })).status).toBe(200)
    await server.kill()
    await way.listen()
    for (const key of ['changed', 'deleted']) expect(await held(key)).toBe('1')
    await server.start()
    expect((await call('/get/changed')).body.value).toBe(2)
    expect((await call('/get/deleted')).status).toBe(404)

    await redis.kill()
    await expect.poll(async () => (await call('/api/v1/presence')).body.complete).toBe(false)
    expect((await put('changed', 3)).status).toBe(200)
    expect((await call('/get/changed')).body.value).toBe(3)
    await redis.start()
    await expect.poll(async () => (await call('/api/v1/presence')).body.complete).toBe(true)
    expect((await put('changed', 4)).status).toBe(200)
    await expect.poll(() => held('changed')).toBe('4')
    expect(server.output).not.toMatch(/unhandled|TypeError/i)
  } finally {
    await server.kill()
    await way.close()
    await redis.stop()
    await rm(folder, { recursive: true, force: true })
  }
})
