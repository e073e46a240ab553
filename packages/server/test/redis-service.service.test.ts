import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from 'redis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RedisServer, startRedis } from './services/redis.ts'
import { sharedService } from './services/shared-service.ts'

/** One command of a client that does not try again. */
async function ask(url: string, command: readonly string[], ca?: string): Promise<unknown> {
  const socket = { connectTimeout: 5_000, reconnectStrategy: false } as const
  const tls = ca === undefined ? {} : ({ tls: true, ca } as const)
  const client = createClient({ url, socket: { ...socket, ...tls } }).on('error', () => {})
  try {
    await client.connect()
    return await client.sendCommand(command)
  } finally {
    if (client.isOpen) client.destroy()
  }
}

test('the shared Redis answers, and is the same one for everybody', async () => {
  const url = await sharedService('redis')
  expect(await ask(url, ['PING'])).toBe('PONG')
  expect(await sharedService('redis')).toBe(url)
})

describe('a Redis of its own', () => {
  let server: RedisServer

  beforeAll(async () => {
    server = await startRedis({ settings: { maxmemory: '7mb' } })
  })

  afterAll(async () => {
    await server?.stop()
  })

  test('takes settings', async () => {
    expect(await ask(server.url, ['CONFIG', 'GET', 'maxmemory'])).toEqual({ maxmemory: '7340032' })
  })

  test('is empty after a flush, a restart and a SIGKILL', async () => {
    for (const empty of [() => server.flush(), () => server.restart(), () => server.kill()]) {
      await ask(server.url, ['SET', 'key', 'value'])
      await empty()
      await server.start()
      expect(await ask(server.url, ['DBSIZE'])).toBe(0)
    }
  })

  test('refuses connections while it is down', async () => {
    await server.kill()
    await expect(ask(server.url, ['PING'])).rejects.toThrow('ECONNREFUSED')
    await server.start()
  })

  test('answers nothing while paused and goes on after', async () => {
    server.pause()
    const answer = ask(server.url, ['PING'])
    const first = await Promise.race([answer, sleep(300, 'no answer')])
    server.resume()
    expect(first).toBe('no answer')
    expect(await answer).toBe('PONG')
  })
})

test('a Redis with TLS and a user lets in who trusts its authority and knows the password', async () => {
  const server = await startRedis({ tls: true, user: 'livekv', password: 'p@ss/word' })
  try {
    const ca = readFileSync(server.caFile!, 'utf8')
    expect(await ask(server.url, ['ACL', 'WHOAMI'], ca)).toBe('livekv')
    await expect(ask(server.url, ['PING'])).rejects.toThrow(/self-signed certificate|unable to verify/)
    const wrong = new URL(server.url)
    wrong.password = 'wrong'
    await expect(ask(wrong.href, ['PING'], ca)).rejects.toThrow('WRONGPASS')
    wrong.username = wrong.password = ''
    await expect(ask(wrong.href, ['PING'], ca)).rejects.toThrow('NOAUTH')
  } finally {
    await server.stop()
  }
})
