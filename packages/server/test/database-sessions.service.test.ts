/** What the server does with a session of ours whose process is stopped or deaf while it holds the counter row. */
import pg from 'pg'
import { pino } from 'pino'
import { afterEach, expect, test } from 'vitest'
import { Database } from '../src/store/database.ts'
import { PostgresStore } from '../src/store/postgres.ts'
import { TcpProxy } from './services/tcp-proxy.ts'
import { createTestDatabase } from './services/test-database.ts'

const log = pino({ level: 'silent' })
const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** A store, and beside it what another process would have: its sessions alone, over a line that can be stopped. */
async function open() {
  const url = await createTestDatabase()
  const store = await PostgresStore.open({
    ...{ database: { url, poolSize: 2 }, log },
    retention: { maxChanges: 1e8, maxAgeMs: undefined },
  })
  closing.push(() => store.close())
  const proxy = await TcpProxy.start({ port: Number(new URL(url).port) })
  closing.push(() => proxy.close())
  const other = new Database({ url: proxy.through(url), poolSize: 2 }, log)
  closing.push(() => other.close())
  const admin = new pg.Client(url)
  await admin.connect()
  closing.push(() => admin.end())
  /** Of the session that has locked the counter row: what the server waits for with it. */
  const waitsFor = async () => {
    const { rows } = await admin.query<{ event: string }>(`select a.wait_event as event
      from pg_locks l join pg_stat_activity a using (pid)
      where l.relation = 'counter'::regclass and l.mode = 'RowShareLock' and l.granted`)
    return rows.map(({ event }) => event)
  }
  return { store, proxy, other, waitsFor }
}

const writes = [{ op: 'put', key: 'a', json: '1' }] as const
const PAGE_BYTES = 1_000
/** More than all buffers on the way take. */
const PAGES = 40_000

test('every session has limits to what a client that is silent can hold up', async () => {
  const database = new Database({ url: await createTestDatabase(), poolSize: 2 }, log)
  closing.push(() => database.close())
  const names = ['statement_timeout', 'idle_in_transaction_session_timeout', 'tcp_user_timeout']
  const text = 'select name, setting::integer as ms from pg_settings where name = any($1)'
  const rows = await database.run<{ name: string; ms: number }>('read', { name: 'settings', text }, [names])
  expect(rows.map(({ name }) => name).sort()).toEqual(names.toSorted())
  // 0 would be no limit. A commit is waited for 15 s.
  for (const { name, ms } of rows) expect([name, ms > 0 && ms <= 10_000]).toEqual([name, true])
})

test('one that is silent in its transaction, and one that does not read its answer, are ended: commits go on', async () => {
  const silent = await open()
  const { sequelize } = silent.other
  const transaction = await sequelize.transaction()
  await sequelize.query('select revision from counter for update', { transaction })
  expect(await silent.waitsFor()).toEqual(['ClientRead'])

  const deaf = await open()
  await deaf.other.run('read', { name: 'warm', text: 'select 1' }, [])
  deaf.proxy.stall('toClient')
  const text = `with held as materialized (select revision from counter for update)
    select repeat('x', ${PAGE_BYTES}) from held, generate_series(1, ${PAGES})`
  const answer = deaf.other.run('bulk', { name: 'large', text }, [])
  const failed = expect(answer).rejects.toThrow()
  await expect.poll(deaf.waitsFor).toEqual(['ClientWrite'])

  // Their deadline is 15 s: with the row held any longer they would be refused.
  const committed = await Promise.all([silent.store.commit(writes), deaf.store.commit(writes)])
  expect(committed).toMatchObject([[{ status: 'applied' }], [{ status: 'applied' }]])
  await expect(transaction.commit()).rejects.toThrow()
  deaf.proxy.cut()
  await failed
})
