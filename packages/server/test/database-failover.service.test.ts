import { chownSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { pino } from 'pino'
import { afterEach, expect, test } from 'vitest'
import { createApp } from '../src/app.ts'
import { loadConfig } from '../src/config.ts'
import { PostgresStore } from '../src/store/postgres.ts'
import { type PostgresServer, startPostgres } from './services/postgres.ts'

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const silent = pino({ level: 'silent' })

async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(text)).rows
  } finally {
    await client.end()
  }
}

/** Down, and up again as a standby that is made the primary: on a new timeline, as after a failover. */
async function failOver(server: PostgresServer): Promise<void> {
  const [row] = await query(server.url, `select current_setting('data_directory') as folder`)
  const folder = row!.folder as string
  await server.shutDown()
  const signal = join(folder, 'standby.signal')
  writeFileSync(signal, '')
  const { uid, gid } = statSync(folder)
  chownSync(signal, uid, gid)
  await server.start()
  await query(server.url, 'select pg_promote()')
}

async function startServer() {
  const server = await startPostgres()
  closing.push(() => server.stop())
  return { server, url: await server.createDatabase() }
}

function open(url: string): Promise<PostgresStore> {
  const retention = { maxChanges: 1e9, maxAgeMs: undefined }
  return PostgresStore.open({ database: { url, poolSize: 2 }, retention, log: silent })
}

test('after a failover nothing is written or read for the store it was; opened again it is another one', async () => {
  const { server, url } = await startServer()
  const store = await open(url)
  closing.push(() => store.close())
  await store.commit([{ op: 'put', key: 'a', json: '1' }])
  const failed = new Promise((resolve) => store.onFailure(resolve))
  await failOver(server)

  await expect(store.commit([{ op: 'put', key: 'a', json: '2' }])).rejects.toMatchObject({
    code: 'STORE_FAILED',
    details: { outcome: 'not-applied' },
  })
  await expect(store.get(['a'])).rejects.toMatchObject({ code: 'STORE_FAILED' })
  expect(await failed).toMatchObject({ message: expect.stringContaining('a standby took over') })

  const again = await open(url)
  closing.push(() => again.close())
  expect(again.info.storeId).not.toBe(store.info.storeId)
  expect((await again.get(['a'])).entries.get('a')?.json).toBe('1')
})

test('a server that is restarted is the same store', async () => {
  const { server, url } = await startServer()
  const store = await open(url)
  closing.push(() => store.close())
  let failure: unknown
  store.onFailure((error) => {
    failure = error
  })
  await server.restart('immediate')
  await expect
    .poll(() =>
      store.commit([{ op: 'put', key: 'a', json: '1' }]).then(
        () => true,
        () => false,
      ),
    )
    .toBe(true)
  expect(failure).toBeUndefined()
})

test('an instance says that it has to begin anew, and is not ready', async () => {
  const { server, url } = await startServer()
  const app = await createApp(
    loadConfig({ PORT: '0', SHUTDOWN_TIMEOUT: '2s', DATABASE_URL: url }).config,
    silent,
  )
  closing.push(() => app.close())
  await failOver(server)
  expect(await app.failed).toMatchObject({ code: 'STORE_FAILED' })
  expect((await fetch(`${app.url}/readyz`)).status).toBe(503)
})
