import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { openEmbedded } from '../src/store/embedded.ts'
import { PostgresStore } from '../src/store/postgres.ts'
import { storeContract } from './contract/store.ts'

const log = pino({ level: 'silent' })
const retention = { maxChanges: 100_000_000, maxAgeMs: undefined }

async function open() {
  const dataDir = await mkdtemp(join(tmpdir(), 'livekv-contract-'))
  let current: PostgresStore | undefined
  async function another(): Promise<PostgresStore> {
    await current?.close()
    const embedded = await openEmbedded({ dataDir, log })
    current = await PostgresStore.open({ database: { embedded }, retention, log })
    return current
  }
  return {
    store: await another(),
    another,
    async close() {
      await current?.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

storeContract('the embedded engine', { open, concurrent: false })
