import type { Logger } from 'pino'
import { errorText } from '../error-text.ts'
import { StartError } from '../start-error.ts'
import { sqlStateOf } from './database.ts'
import type { DatabaseAddress } from './database-address.ts'
import { DatabaseClient } from './database-client.ts'
import { mayPass } from './wait-for-database.ts'

const NO_SUCH_DATABASE = '3D000'
const ALREADY_THERE = ['42P04', '23505']
/** PostgreSQL copies a template: seconds on a slow disk. */
const CREATE_TIMEOUT_MS = 60_000
const GOODBYE_MS = 1_000

/**
 * Connects once; makes the database if the server is there and only the database is missing. Rejects with the driver's
 * error, or with StartError.
 */
export async function createDatabaseIfMissing(address: DatabaseAddress, log: Logger): Promise<void> {
  const { database } = address
  try {
    await connected(address, async () => {})
    return
  } catch (error) {
    if (sqlStateOf(error) !== NO_SUCH_DATABASE) throw error
  }
  try {
    await connected({ ...address, database: 'postgres' }, async (client) => {
      await client.query(`create database ${client.escapeIdentifier(database)}`)
    })
    log.info({ database }, 'made the database')
  } catch (error) {
    if (ALREADY_THERE.includes(sqlStateOf(error) ?? '')) return
    if (mayPass(error)) throw error
    throw new StartError(
      `There is no database "${database}" and it could not be made (${errorText(error)}). As a user who may: createdb ${database}`,
      { cause: error },
    )
  }
}

async function connected(
  address: DatabaseAddress,
  work: (client: DatabaseClient) => Promise<void>,
): Promise<void> {
  const client = new DatabaseClient({ ...address, application_name: 'livekv' })
  // An error that no call is waiting for would otherwise end the process.
  client.on('error', () => {})
  try {
    await client.connect()
    client.becomeReady(CREATE_TIMEOUT_MS)
    await work(client)
  } finally {
    const cut = setTimeout(() => client.cut('no farewell in time'), GOODBYE_MS)
    await client.end().catch(() => {})
    clearTimeout(cut)
  }
}
