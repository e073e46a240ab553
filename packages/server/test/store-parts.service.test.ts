import { LiveKVError } from '@livekv/protocol'
import pg from 'pg'
import { pino } from 'pino'
import { Sequelize } from 'sequelize'
import { afterEach, expect, test } from 'vitest'
import { Partitions } from '../src/store/partitions.ts'
import { PostgresStore } from '../src/store/postgres.ts'
import type { Write } from '../src/store/store.ts'
import { createTestDatabase } from './services/test-database.ts'

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function open(options: { partitionSize?: number } = {}) {
  const url = await createTestDatabase()
  const store = await PostgresStore.open({
    database: { url, poolSize: 2 },
    retention: { maxChanges: 1e8, maxAgeMs: undefined },
    log: pino({ level: 'silent' }),
    ...options,
  })
  closing.push(() => store.close())
  const admin = new pg.Client(url)
  await admin.connect()
  closing.push(() => admin.end())
  return { url, store, admin }
}

const put = (key: string, json = '1'): Write => ({ op: 'put', key, json })

test('a refusal of the second part of a divided commit does not deny what the first has applied', async () => {
  const { store, admin } = await open()
  await admin.query(`
    create function refuse() returns trigger language plpgsql as $$
      begin raise exception 'refused' using errcode = 'insufficient_privilege'; end $$;
    create trigger refuse before insert on entries for each row when (new.key = 'refused') execute function refuse()`)
  // Alone the refusal is certain.
  await expect(store.commit([put('a'), put('refused')])).rejects.toMatchObject({ code: 'STORE_FAILED' })
  expect(await store.head()).toBe(0)
  // The broken value divides the commit: `a` is applied before the rest is refused.
  const error = await store.commit([put('a'), put('b', '{'), put('refused')]).catch((e: unknown) => e)
  expect((await store.get(['a'])).entries.get('a')?.json).toBe('1')
  expect(error).toBeInstanceOf(LiveKVError)
  expect(error).toMatchObject({ code: 'COMMIT_UNKNOWN' })
})

test('a process that wrote nothing for a week still writes', async () => {
  const { store, admin } = await open()
  await store.commit([put('a')])
  await admin.query("update writers set seen_at = seen_at - interval '8 days'")
  const seen = async () =>
    (await admin.query("select 1 from writers where seen_at > now() - interval '1 day'")).rowCount
  await expect.poll(seen, { timeout: 30_000 }).toBe(1)
  expect(await store.commit([put('b')])).toMatchObject([{ status: 'applied' }])
})

test('a plan made while the tables were small does not read them whole when they have grown', async () => {
  const { store, admin } = await open()
  let number = 0
  const keyed = (write: Write): Write => ({ ...write, idempotencyKey: `write.${++number}` })
  const putAndDelete = (key: string): Write[] => [keyed(put(key)), keyed({ op: 'delete', key })]
  // PostgreSQL settles on a plan after the first few calls of a session.
  for (let call = 0; call < 10; call++) {
    await store.commit(putAndDelete(`early.${call}`).slice(0, 1))
    await store.commit(putAndDelete(`early.${call}`).slice(1))
  }
  const batches = 20
  const size = 500
  for (let batch = 0; batch < batches; batch++) {
    const keys = Array.from({ length: size }, (_, index) => `key.${batch}.${index}`)
    await store.commit(keys.map((key) => keyed(put(key))))
    await store.commit([keyed({ op: 'delete', key: keys[0]! }), keyed({ op: 'delete', key: 'none' })])
  }
  // A session reports what it read when it ends.
  await store.close()
  const read = async () => {
    const { rows } = await admin.query(
      "select sum(idx_tup_read)::int as read from pg_stat_user_indexes where relname ~ '^(entries|idempotency)'",
    )
    return rows[0].read
  }
  await expect.poll(read, { timeout: 30_000 }).toBeGreaterThan(0)
  expect(await read()).toBeLessThan(batches * size)
})

test('an update stays on its page: no index holds what every write changes', async () => {
  const { store, admin } = await open()
  const updates = 300
  for (let value = 0; value <= updates; value++) await store.commit([put('a', String(value))])
  // A session reports what it did when it ends.
  await store.close()
  const counted = async () => {
    const { rows } = await admin.query(
      "select n_tup_upd::int as all, n_tup_hot_upd::int as hot from pg_stat_user_tables where relname = 'entries'",
    )
    return rows[0] as { all: number; hot: number }
  }
  await expect.poll(async () => (await counted()).all, { timeout: 30_000 }).toBe(updates)
  // Now and then a page is full and has not been cleaned yet.
  expect((await counted()).hot).toBeGreaterThan(updates * 0.9)
})

test('a partition that is read is not waited for: writers go on, and it is dropped later', async () => {
  const { url, store, admin } = await open({ partitionSize: 4 })
  // The next change has room, so that its commit makes no partition.
  for (let value = 1; value <= 10; value++) await store.commit([put('a', String(value))])
  // Without a limit to how long a statement may take: only the locks' own counts.
  const sequelize = new Sequelize(url, { dialect: 'postgres', logging: false })
  closing.push(() => sequelize.close())
  const retention = { maxChanges: 2, maxAgeMs: undefined }
  const partitions = new Partitions({ sequelize, size: 4, retention, log: pino({ level: 'silent' }) })
  const reader = new pg.Client(url)
  await reader.connect()
  closing.push(() => reader.end())
  await reader.query('begin')
  await reader.query('select count(*) from changes')

  let hasGivenUp = false
  const dropped = partitions.compact().finally(() => {
    hasGivenUp = true
  })
  dropped.catch(() => {})
  const isWaiting = async () =>
    (
      await admin.query(`select 1 from pg_locks l join pg_database d on d.oid = l.database
      where d.datname = current_database() and not l.granted`)
    ).rowCount! > 0
  await expect.poll(async () => hasGivenUp || (await isWaiting())).toBe(true)
  // Behind somebody who waits for the reader this would wait as long.
  expect(await store.commit([put('a', '11')])).toMatchObject([{ status: 'applied' }])
  expect(await dropped).toBe(false)
  // New ones are attached beside the reader; now and then another process is making them just then.
  const count = async () =>
    (await admin.query("select 1 from pg_inherits where inhparent = 'changes'::regclass")).rowCount!
  const before = await count()
  const ahead = new Partitions({ sequelize, size: 50, retention, log: pino({ level: 'silent' }) })
  await expect.poll(() => ahead.extend().then(count, () => 0)).toBeGreaterThan(before)

  await reader.query('commit')
  await expect.poll(() => partitions.compact()).toBe(true)
  await expect(store.changesSince(0, 10)).rejects.toMatchObject({ code: 'REVISION_COMPACTED' })
})
