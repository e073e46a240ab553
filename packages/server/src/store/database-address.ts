import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import { parse } from 'pg-connection-string'
import { StartError } from '../start-error.ts'

/** Where PostgreSQL is and how to log in there. */
export interface DatabaseAddress {
  host: string
  port: number
  user: string
  password: string | undefined
  database: string
  /** False: without TLS. Never undefined, or the driver would ask the environment. */
  ssl: ConnectionOptions | false
}

const SSL_PARAMETERS = ['ssl', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey']

/**
 * What a DATABASE_URL says. `sslmode` and `sslrootcert` mean what they mean to psql: `require` encrypts and asks for
 * no certificate, unless there is a CA to check it by. (The driver's own parser takes `require` for `verify-full`, and
 * says that it will not for long.) Throws StartError with what to write instead.
 */
export function databaseAddress(url: string): DatabaseAddress {
  const text = new URL(url)
  const parameter = (name: string) => text.searchParams.get(name) || undefined
  for (const name of text.searchParams.keys()) refuseMisspelt(name)
  const ssl = sslOptions(parameter)
  for (const name of [...SSL_PARAMETERS, 'uselibpqcompat']) text.searchParams.delete(name)
  const { host, port, user, password, database } = parse(text.href)
  return {
    host: host || 'localhost',
    port: Number(port || 5432),
    user: user || 'postgres',
    password: password || undefined,
    database: database || user || 'postgres',
    ssl,
  }
}

/** For people: without user and password. */
export function addressText({ host, port, database }: DatabaseAddress): string {
  return `PostgreSQL at ${host.includes(':') ? `[${host}]` : host}:${port}, database "${database}"`
}

/** The driver does not know them either, and would go without encryption. */
function refuseMisspelt(name: string): void {
  const meant = name.toLowerCase().replace(/[^a-z]/g, '')
  if (SSL_PARAMETERS.includes(meant) && name !== meant) {
    throw new StartError(`DATABASE_URL has ${name}, which is not known: write ${meant}.`)
  }
}

function sslOptions(parameter: (name: string) => string | undefined): ConnectionOptions | false {
  const rootFile = parameter('sslrootcert')
  const isAsked = isTrue(parameter('ssl')) || rootFile !== undefined
  const mode = parameter('sslmode') ?? (isAsked ? 'verify-full' : 'disable')
  if (mode === 'disable') return false
  const options: ConnectionOptions = {}
  // As for psql: the authorities that are known anyway, of which anyone may have a certificate for some other name.
  if (rootFile === 'system' && mode !== 'verify-full') {
    throw new StartError(
      'DATABASE_URL has sslrootcert=system, which is safe only if the host’s name is compared: write sslmode=verify-full.',
    )
  }
  if (rootFile !== undefined && rootFile !== 'system') options.ca = fileText('sslrootcert', rootFile)
  const [certFile, keyFile] = [parameter('sslcert'), parameter('sslkey')]
  if (certFile !== undefined) options.cert = fileText('sslcert', certFile)
  if (keyFile !== undefined) options.key = fileText('sslkey', keyFile)
  switch (mode) {
    case 'require':
      if (options.ca === undefined) options.rejectUnauthorized = false
      else options.checkServerIdentity = () => undefined
      return options
    case 'verify-ca':
      if (options.ca === undefined) {
        throw new StartError(
          'DATABASE_URL has sslmode=verify-ca and no sslrootcert: add sslrootcert=/path/to/ca.pem, or write sslmode=verify-full.',
        )
      }
      options.checkServerIdentity = () => undefined
      return options
    case 'verify-full':
      return options
    case 'allow':
    case 'prefer':
      throw new StartError(
        `DATABASE_URL has sslmode=${mode}, which goes without encryption when somebody in between wants it so: write sslmode=require (better verify-full with sslrootcert), or sslmode=disable.`,
      )
    default:
      throw new StartError(
        'DATABASE_URL has an sslmode that is not known: write disable, require, verify-ca or verify-full.',
      )
  }
}

function isTrue(ssl: string | undefined): boolean {
  if (ssl === 'true' || ssl === '1') return true
  if (ssl === undefined || ssl === 'false' || ssl === '0') return false
  throw new StartError(
    'DATABASE_URL has an ssl that is not known: write ssl=true or ssl=false, or say more with sslmode=require, verify-ca or verify-full.',
  )
}

function fileText(name: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new StartError(
      `DATABASE_URL has ${name}=${file}, which cannot be read (${code}): give the path of a PEM file.`,
    )
  }
}
