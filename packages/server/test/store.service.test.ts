import { pino } from 'pino'
import { PostgresStore } from '../src/store/postgres.ts'
import { storeContract } from './contract/store.ts'
import { createTestDatabase } from './services/test-database.ts'

const log = pino({ level: 'silent' })
const retention = { maxChanges: 100_000_000, maxAgeMs: undefined }

async function open() {
  const url = await createTestDatabase()
  const stores: PostgresStore[] = []
  async function another(): Promise<PostgresStore> {
    const store = await PostgresStore.open({ database: { url, poolSize: 2 }, retention, log })
    stores.push(store)
    return store
  }
  return {
    store: await another(),
    another,
    async close() {
      await Promise.all(stores.map((store) => store.close()))
    },
  }
}

storeContract('PostgreSQL', { open, concurrent: true })
