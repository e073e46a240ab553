import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { pino } from 'pino'
import { afterEach, expect, test } from 'vitest'
import { PostgresStore } from '../src/store/postgres.ts'
import { findPostgres } from './services/binaries.ts'
import { createTestDatabase } from './services/test-database.ts'
import { startTestApp, type TestApp } from './support/test-app.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const silent = pino({ level: 'silent' })

async function open(url: string): Promise<PostgresStore> {
  const retention = { maxChanges: 1e9, maxAgeMs: undefined }
  const store = await PostgresStore.open({ database: { url, poolSize: 3 }, retention, log: silent })
  closing.push(() => store.close())
  return store
}

/** Resolves when the store says that it has failed for good. */
function failureOf(store: PostgresStore): Promise<Error> {
  return new Promise((resolve) => store.onFailure(resolve))
}

async function put(store: PostgresStore, ...keys: string[]): Promise<void> {
  for (const key of keys) await store.commit([{ op: 'put', key, json: `"${key}"` }])
}

async function query(url: string, ...texts: string[]): Promise<pg.QueryResult[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const results: pg.QueryResult[] = []
    for (const text of texts) results.push(await client.query(text))
    return results
  } finally {
    await client.end()
  }
}

function run(program: string, ...options: string[]): void {
  execFileSync(join(findPostgres()!.folder, program), options)
}

function dump(url: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'livekv-dump-'))
  closing.push(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'livekv.dump')
  run('pg_dump', '-Fc', '-f', file, url)
  return file
}

/** As docs/operations.md has it: the database is dropped, made again under its name, and filled. */
async function restoreAnew(url: string, file: string): Promise<void> {
  const admin = new URL(url)
  const name = admin.pathname.slice(1)
  admin.pathname = '/postgres'
  await query(admin.href, `drop database "${name}" with (force)`, `create database "${name}"`)
  run('pg_restore', '-d', url, '--exit-on-error', file)
}

test('a dump restored into another database is another store, and the original stays what it was', async () => {
  const url = await createTestDatabase()
  const original = await open(url)
  await put(original, 'a')
  const file = dump(url)
  const elsewhere = await createTestDatabase()
  run('pg_restore', '-d', elsewhere, '--exit-on-error', file)

  const copy = await open(elsewhere)
  expect((await copy.get(['a'])).entries.get('a')?.json).toBe('"a"')
  expect(copy.info.storeId).not.toBe(original.info.storeId)
  expect((await open(elsewhere)).info.storeId).toBe(copy.info.storeId)
  expect((await open(url)).info.storeId).toBe(original.info.storeId)
})

test('a store whose database is dropped and restored ends, and opened again it is another one', async () => {
  const url = await createTestDatabase()
  const store = await open(url)
  await put(store, 'a', 'b')
  const file = dump(url)
  await put(store, 'c', 'd')
  const failure = failureOf(store)
  await restoreAnew(url, file)
  expect((await failure).message).toContain('a backup was restored')
  await expect(store.commit([{ op: 'put', key: 'e', json: '1' }])).rejects.toMatchObject({
    code: 'STORE_FAILED',
    details: { outcome: 'not-applied' },
  })
  const again = await open(url)
  expect(again.info.storeId).not.toBe(store.info.storeId)
  expect(await again.head()).toBe(2)
})

test('a dump restored over the tables is noticed under open connections, also if it lacks nothing', async () => {
  const url = await createTestDatabase()
  const store = await open(url)
  await put(store, 'a', 'b')
  const failure = failureOf(store)
  const file = dump(url)
  await query(url, 'drop schema public cascade', 'create schema public')
  run('pg_restore', '-d', url, '--exit-on-error', file)
  await failure
  const again = await open(url)
  expect(again.info.storeId).not.toBe(store.info.storeId)
  expect(await again.head()).toBe(2)
})

test('a dump that was restored once is noticed when it is restored once more', async () => {
  const url = await createTestDatabase()
  await put(await open(url), 'a')
  const file = dump(url)
  await restoreAnew(url, file)
  const store = await open(url)
  const failure = failureOf(store)
  await restoreAnew(url, file)
  await failure
  expect((await open(url)).info.storeId).not.toBe(store.info.storeId)
})

const LOSE_LAST = [
  'begin',
  'delete from changes where revision > 2',
  'delete from entries where revision > 2',
  'update counter set revision = 2',
  'commit',
]

/** What a disk that is put back to an older state leaves: the same store in the same place, without its end. */
test('a log that has lost its end is another store from then on', async () => {
  const url = await createTestDatabase()
  const [store, quiet] = [await open(url), await open(url)]
  await put(store, 'a', 'b', 'c', 'd')
  expect(await quiet.head()).toBe(4)
  const failures = [failureOf(store), failureOf(quiet)]
  await query(url, ...LOSE_LAST)
  await Promise.all(failures)
  const again = await open(url)
  expect(again.info.storeId).not.toBe(store.info.storeId)
  expect(await again.head()).toBe(2)
})

test('a log that has lost its end in a crash is noticed by the next connection', async () => {
  const url = await createTestDatabase()
  const store = await open(url)
  await put(store, 'a', 'b', 'c', 'd')
  const failure = failureOf(store)
  const others = 'select pg_terminate_backend(pid) from pg_stat_activity'
  const here = 'where datname = current_database() and pid <> pg_backend_pid()'
  await query(url, ...LOSE_LAST, `${others} ${here}`)
  await failure
  expect((await open(url)).info.storeId).not.toBe(store.info.storeId)
})

test('a commit that is given a revision which there was already ends the store, also if the log grows on', async () => {
  const url = await createTestDatabase()
  const store = await open(url)
  await put(store, 'a', 'b', 'c', 'd')
  const failure = failureOf(store)
  await query(url, ...LOSE_LAST)
  const many = ['e', 'f', 'g', 'h'].map((key) => ({ op: 'put' as const, key, json: '1' }))
  await store.commit(many)
  await failure
})

test('what the bus has told of counts too', async () => {
  const url = await createTestDatabase()
  const store = await open(url)
  await put(store, 'a', 'b')
  const failure = failureOf(store)
  expect(await store.head(2)).toBe(2)
  await expect(store.head(3)).rejects.toMatchObject({ code: 'STORE_FAILED' })
  await failure
})

test('a role that may not read the system identifier has a store that keeps its identity', async () => {
  const url = await createTestDatabase()
  const role = `plain_${new URL(url).pathname.slice(1).replaceAll('-', '_')}`
  await query(
    url,
    `create role "${role}" login password 'plain'`,
    `alter schema public owner to "${role}"`,
    'revoke execute on function pg_control_system() from public',
  )
  const plain = new URL(url)
  plain.username = role
  plain.password = 'plain'
  const store = await open(plain.href)
  await put(store, 'a')
  expect((await open(plain.href)).info.storeId).toBe(store.info.storeId)
  const [home] = await query(url, 'select home from store')
  expect(home!.rows[0].home).toMatch(/^0\.\d+\.\d+$/)
})

test('a running instance ends as after a failover, and the next one shows what was restored', async () => {
  const url = await createTestDatabase()
  const instance = async (): Promise<TestApp> => {
    const app = await startTestApp({ DATABASE_URL: url })
    closing.push(() => app.close())
    return app
  }
  const app = await instance()
  for (const n of [1, 2, 3]) await app.call('POST', '/add', { key: 'k', value: n })
  const file = dump(url)
  for (const n of [4, 5, 6]) await app.call('POST', '/add', { key: 'k', value: n })
  await restoreAnew(url, file)
  expect(await app.app.failed).toMatchObject({ code: 'STORE_FAILED' })
  expect((await app.call('GET', '/readyz')).status).toBe(503)
  const next = await instance()
  expect((await next.call('GET', '/get/k')).json).toMatchObject({ value: 3 })
})
