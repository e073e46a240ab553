import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { databaseAddress } from './database-address.ts'
import { openEmbedded } from './embedded.ts'
import { PostgresStore } from './postgres.ts'
import { waitForDatabase } from './wait-for-database.ts'

/**
 * The store the configuration names: `databaseUrl`, for which it waits as long as STARTUP_TIMEOUT says, or the embedded
 * one in `dataDir`.
 */
export async function openStore(config: Config, log: Logger): Promise<PostgresStore> {
  const retention = { maxChanges: config.historyMaxChanges, maxAgeMs: config.historyRetentionMs }
  if (config.databaseUrl !== undefined) {
    const database = { url: config.databaseUrl, poolSize: config.databasePoolSize }
    const address = databaseAddress(config.databaseUrl)
    return waitForDatabase({ address, timeoutMs: config.startupTimeoutMs, log }, () =>
      PostgresStore.open({ database, retention, log }),
    )
  }
  const embedded = await openEmbedded({ dataDir: config.dataDir, log })
  try {
    return await PostgresStore.open({ database: { embedded }, retention, log })
  } catch (error) {
    await embedded.close()
    throw error
  }
}
