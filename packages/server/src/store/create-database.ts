import pg from 'pg'
import { parse } from 'pg-connection-string'
import type { Logger } from 'pino'
import { sqlStateOf } from './database.ts'

const NO_SUCH_DATABASE = '3D000'
const ALREADY_THERE = ['42P04', '23505']

/** Connects once; makes the database if the server is there and only the database is missing. */
export async function createDatabaseIfMissing(url: string, log: Logger): Promise<void> {
  const { database } = parse(url)
  const name = database ?? 'postgres'
  if ((await connectionFailure(url)) !== NO_SUCH_DATABASE) return
  const client = new pg.Client(connectionTo(url, 'postgres'))
  try {
    await client.connect()
    await client.query(`create database ${client.escapeIdentifier(name)}`)
    log.info({ database: name }, 'made the database')
  } catch (error) {
    if (ALREADY_THERE.includes(sqlStateOf(error) ?? '')) return
    throw new Error(
      `There is no database "${name}" and it could not be made (${(error as Error).message}). As a user who may: createdb ${name}`,
      { cause: error },
    )
  } finally {
    await client.end().catch(() => {})
  }
}

async function connectionFailure(url: string): Promise<string | undefined> {
  const client = new pg.Client(connectionTo(url, parse(url).database ?? undefined))
  try {
    await client.connect()
    return undefined
  } catch (error) {
    return sqlStateOf(error)
  } finally {
    await client.end().catch(() => {})
  }
}

function connectionTo(url: string, database: string | undefined): pg.ClientConfig {
  const { host, port, user, password, ssl } = parse(url)
  return {
    ...(host ? { host } : {}),
    ...(port ? { port: Number(port) } : {}),
    ...(user ? { user } : {}),
    ...(password ? { password } : {}),
    ...(ssl ? { ssl: ssl as pg.ClientConfig['ssl'] & object } : {}),
    ...(database ? { database } : {}),
    connectionTimeoutMillis: 5_000,
  }
}
