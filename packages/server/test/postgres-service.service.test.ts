import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type PostgresServer, startPostgres } from './services/postgres.ts'
import { sharedService } from './services/shared-service.ts'
import { createTestDatabase } from './services/test-database.ts'

async function query(url: string, sql: string): Promise<unknown[][]> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query({ text: sql, rowMode: 'array' })).rows
  } finally {
    await client.end()
  }
}

describe('the shared PostgreSQL', () => {
  test('is durable, new enough, and sorts text as people do', async () => {
    const url = await sharedService('postgres')
    expect(await query(url, 'show fsync')).toEqual([['on']])
    const version = await query(url, 'show server_version_num')
    expect(Number(version[0]?.[0])).toBeGreaterThanOrEqual(150_000)
    expect(await query(url, `select 'a' < 'B', 'a' < 'B' collate "C"`)).toEqual([[true, false]])
  })

  test('gives every caller an empty database of its own', async () => {
    const [one, other] = [await createTestDatabase(), await createTestDatabase()]
    await query(one, 'create table mine ()')
    await expect(query(other, 'select from mine')).rejects.toThrow('does not exist')
  })
})

describe('a PostgreSQL of its own', () => {
  let server: PostgresServer
  let url: string

  beforeAll(async () => {
    server = await startPostgres({ settings: { max_connections: '17' } })
    url = await server.createDatabase()
    await query(url, 'create table kept (n int)')
  })

  afterAll(async () => {
    await server?.stop()
  })

  test('takes settings', async () => {
    expect(await query(url, 'show max_connections')).toEqual([['17']])
  })

  test('keeps what was committed across SIGKILL, a crash and a restart', async () => {
    await query(url, 'insert into kept values (1)')
    await server.kill()
    await expect(query(url, 'select')).rejects.toThrow('ECONNREFUSED')
    await server.start()
    await query(url, 'insert into kept values (2)')
    await server.restart('immediate')
    await query(url, 'insert into kept values (3)')
    await server.restart()
    expect(await query(url, 'select n from kept order by n')).toEqual([[1], [2], [3]])
  })

  test('answers nothing while paused and goes on after', async () => {
    server.pause()
    const answer = query(url, 'select 7')
    const first = await Promise.race([answer, sleep(300, 'nothing')])
    expect(first).toBe('nothing')
    server.resume()
    expect(await answer).toEqual([[7]])
  })

  test('leaves nothing behind', async () => {
    const other = await startPostgres()
    const [[data]] = (await query(other.url, 'show data_directory')) as [[string]]
    expect(existsSync(data)).toBe(true)
    other.pause()
    await other.stop()
    expect(existsSync(data)).toBe(false)
    await expect(query(other.url, 'select')).rejects.toThrow('ECONNREFUSED')
  })
})

test('a PostgreSQL with TLS lets in who trusts its authority, and nobody without TLS', async () => {
  const server = await startPostgres({ tls: true })
  try {
    const url = await server.createDatabase()
    expect(await query(url, 'select ssl from pg_stat_ssl where pid = pg_backend_pid()')).toEqual([[true]])
    const strange = url.replace(/&sslrootcert=.*/, '')
    await expect(query(strange, 'select')).rejects.toThrow(/self-signed certificate|unable to verify/)
    await expect(query(url.replace(/\?.*/, ''), 'select')).rejects.toThrow('no encryption')
  } finally {
    await server.stop()
  }
})
