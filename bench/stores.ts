import { randomUUID } from 'node:crypto'
import pg from 'pg'
import pino from 'pino'
import { encodeBatch } from '../packages/server/src/store/batch.ts'
import type { DatabaseTarget } from '../packages/server/src/store/database.ts'
import { openEmbedded } from '../packages/server/src/store/embedded.ts'
import { PostgresStore } from '../packages/server/src/store/postgres.ts'
import type { Write } from '../packages/server/src/store/store.ts'

export const silent = pino({ level: 'silent' })

export async function embeddedTarget(dataDir: string) {
  return { embedded: await openEmbedded({ dataDir, log: silent }) }
}

export function openStore(database: DatabaseTarget): Promise<PostgresStore> {
  return PostgresStore.open({ database, retention: { maxChanges: 1e9, maxAgeMs: undefined }, log: silent })
}

export function randomPuts(items: number, keys: number): Write[] {
  return Array.from({ length: items }, () => ({
    op: 'put',
    key: `key-${Math.floor(Math.random() * keys)}`,
    json: (2_000 + Math.random() * 1_000).toFixed(2),
  }))
}

/** A `pg` script that calls the commit procedure and does nothing else. */
export async function bareCommits(config: pg.ClientConfig) {
  const client = new pg.Client(config)
  await client.connect()
  await client.query('set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off')
  const writer = randomUUID()
  let batch = 0
  await client.query('insert into writers (instance, epoch, last_batch) values ($1, 1, 0)', [writer])
  return {
    async commit(writes: readonly Write[]): Promise<void> {
      await client.query({
        name: 'bare',
        text: 'call livekv_commit($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, null)',
        values: [writer, 1, ++batch, ...encodeBatch(writes).values],
      })
    },
    close: () => client.end(),
  }
}

/** Rows a second of commits one after the other. */
export async function commitRate(
  commit: (writes: Write[]) => Promise<unknown>,
  items: number,
  keys: number,
  seconds: number,
) {
  const prepared = Array.from({ length: Math.ceil(20_000 / items) }, () => randomPuts(items, keys))
  const start = performance.now()
  let rows = 0
  for (let n = 0; performance.now() - start < seconds * 1_000; n++) {
    await commit(prepared[n % prepared.length] as Write[])
    rows += items
  }
  return rows / ((performance.now() - start) / 1_000)
}

/** At least `keys` entries, the log no longer than that. */
export async function fill(store: PostgresStore, keys: number): Promise<void> {
  for (let from = await store.head(); from < keys; from += 5_000) {
    await store.commit(
      Array.from({ length: Math.min(5_000, keys - from) }, (_, n) => ({
        op: 'put',
        key: `key-${from + n}`,
        json: `${n}.25`,
      })),
    )
  }
}
