/**
 * A process that commits batches of 5,000 without a pause, until it is ended: `node stopped-client.ts DATABASE_URL`.
 * Every item is refused by its condition or added to a counter, so that the answers are as large as they get.
 */
import pino from 'pino'
import { PostgresStore } from '../../src/store/postgres.ts'
import type { Write } from '../../src/store/store.ts'

async function run(url: string): Promise<void> {
  const store = await PostgresStore.open({
    database: { url, poolSize: 2 },
    retention: { maxChanges: 1e8, maxAgeMs: undefined },
    log: pino({ level: 'silent' }),
  })
  const writes = Array.from(
    { length: 5_000 },
    (_, n): Write =>
      n % 2
        ? { op: 'put', key: `refused/${n}/${'x'.repeat(200)}`, json: '1', ifRevision: 1 }
        : { op: 'increment', key: `counted/${n}`, by: '1' },
  )
  process.send?.('ready')
  for (;;) {
    await store.commit(writes).catch(() => {})
    process.send?.('committed')
  }
}

await run(process.argv[2] as string)
