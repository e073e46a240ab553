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
