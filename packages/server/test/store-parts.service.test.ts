import { LiveKVError } from '@livekv/protocol'
import pg from 'pg'
import { pino } from 'pino'
import { afterEach, expect, test } from 'vitest'
import { PostgresStore } from '../src/store/postgres.ts'
import type { Write } from '../src/store/store.ts'
import { createTestDatabase } from './services/test-database.ts'

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function open() {
  const url = await createTestDatabase()
  const store = await PostgresStore.open({
    database: { url, poolSize: 2 },
    retention: { maxChanges: 1e8, maxAgeMs: undefined },
    log: pino({ level: 'silent' }),
  })
  closing.push(() => store.close())
  const admin = new pg.Client(url)
  await admin.connect()
  closing.push(() => admin.end())
  return { store, admin }
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
