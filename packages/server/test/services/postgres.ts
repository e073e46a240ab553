import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chownSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { findPostgres } from './binaries.ts'
import { type Certificates, makeCertificates } from './certificates.ts'
import { freePort } from './free-port.ts'
import { makeServiceFolder, removeServiceFolder } from './service-folder.ts'
import { type Owner, ServiceProcess } from './service-process.ts'

const SYSTEM_USER = 'postgres'
const STOP_TIMEOUT_MS = 10_000

export interface PostgresOptions {
  /** Server settings, e.g. `{ max_connections: '20' }`. */
  settings?: Record<string, string>
  /** TLS only, with a certificate for 127.0.0.1 and localhost. */
  tls?: boolean
}

/**
 * A real PostgreSQL of its own on a free port of 127.0.0.1, in a temporary folder, with durable settings
 * (fsync on) and a collation that is not byte order, as most installations have.
 *
 * On Linux it ends with the process that started it, however that ends.
 */
export interface PostgresServer {
  /** As superuser, to the database `postgres`. */
  readonly url: string
  readonly port: number
  /** What a client has to trust, in PEM; with `tls` only, and then named in `url`. */
  readonly caFile: string | undefined
  /** What the server has written to its log. */
  log(): Promise<string>
  /** Makes an empty database; returns its URL. */
  createDatabase(): Promise<string>
  /** `immediate` is a crash without SIGKILL; `fast` ends sessions and writes a checkpoint. */
  restart(mode?: 'fast' | 'immediate'): Promise<void>
  /** Ends it as `restart` does and leaves it down, until `start`. */
  shutDown(mode?: 'fast' | 'immediate'): Promise<void>
  /** Starts it again, after `shutDown` or `kill`, on the same port, with the same data. */
  start(): Promise<void>
  /** SIGKILL to every process of it. */
  kill(): Promise<void>
  /** SIGSTOP to every process of it: connections stay open and nothing answers. */
  pause(): void
  resume(): void
  /** Ends it, if it is not down already, and removes the data. */
  stop(): Promise<void>
}

export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const binaries = findPostgres()
  if (!binaries) throw new Error('PostgreSQL 15 or later is needed: install the package "postgresql".')
  const owner = process.getuid?.() === 0 ? systemUser() : undefined
  const folder = await makeServiceFolder('postgres')
  const data = join(folder, 'data')
  const password = randomBytes(12).toString('hex')
  const passwordFile = join(folder, 'password')
  await writeFile(passwordFile, password, { mode: 0o600 })
  const certificates = options.tls ? makeCertificates(join(folder, 'tls')) : undefined
  const owned = [folder, passwordFile, ...(certificates ? [certificates.keyFile] : [])]
  if (owner) for (const file of owned) chownSync(file, owner.uid, owner.gid)
  execFileSync(
    join(binaries.folder, 'initdb'),
    [
      ...['-D', data, '-U', SYSTEM_USER, '--auth=scram-sha-256', `--pwfile=${passwordFile}`],
      ...['-E', 'UTF8', '--locale=C', '--locale-provider=icu', '--icu-locale=en-US', '--no-sync'],
    ],
    { cwd: folder, stdio: 'pipe', ...owner },
  )

  const port = await freePort()
  const plainUrl = `postgres://${SYSTEM_USER}:${password}@127.0.0.1:${port}/postgres`
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: folder,
    ...(certificates && { ssl: 'on', ...certificateSettings(certificates) }),
    ...options.settings,
  }
  if (certificates) await refusePlain(join(data, 'pg_hba.conf'))
  const url = certificates ? `${plainUrl}?sslmode=verify-full&sslrootcert=${certificates.caFile}` : plainUrl
  const program = join(binaries.folder, 'postgres')
  const args = ['-D', data, '-p', String(port)]
  for (const [name, value] of Object.entries(settings)) args.push('-c', `${name}=${value}`)

  const server = new ServiceProcess({
    ...{ name: 'PostgreSQL', program, args, folder, owner, deathSignal: 'QUIT' },
    answers: () => answers(url),
    // After a SIGKILL the memory shared with the last backends is in the way until they have noticed.
    startsLater: (log) => log.includes('shared memory'),
  })
  const start = () => server.start()

  async function shutDown(mode: 'fast' | 'immediate' = 'fast'): Promise<void> {
    await server.shutDown(mode === 'fast' ? 'SIGINT' : 'SIGQUIT')
  }

  await start().catch(async (error: unknown) => {
    await removeServiceFolder(folder)
    throw error
  })

  return {
    ...{ url, port, caFile: certificates?.caFile, start, shutDown },
    log: () => server.log(),
    createDatabase: () => createDatabase(url),
    async restart(mode) {
      await shutDown(mode)
      await start()
    },
    kill: () => server.kill(),
    pause: () => server.pause(),
    resume: () => server.resume(),
    async stop() {
      // Not SIGKILL at once: a server that ends by itself leaves no shared memory behind.
      server.resume()
      await Promise.race([shutDown('immediate'), sleep(STOP_TIMEOUT_MS, undefined, { ref: false })])
      await server.kill()
      await removeServiceFolder(folder)
    },
  }
}

function certificateSettings({ certificateFile, keyFile, caFile }: Certificates) {
  return { ssl_cert_file: certificateFile, ssl_key_file: keyFile, ssl_ca_file: caFile }
}

/** Who comes without TLS is not let in. */
async function refusePlain(accessFile: string): Promise<void> {
  const rules = await readFile(accessFile, 'utf8')
  await writeFile(accessFile, rules.replaceAll(/^host /gm, 'hostssl '))
}

/** Makes an empty database on the server of `adminUrl`; returns its URL. */
export async function createDatabase(adminUrl: string): Promise<string> {
  const name = `test_${randomBytes(8).toString('hex')}`
  const client = new pg.Client({ connectionString: adminUrl })
  await client.connect()
  try {
    await client.query(`create database ${name}`)
  } finally {
    await client.end()
  }
  const url = new URL(adminUrl)
  url.pathname = `/${name}`
  return url.href
}

/** PostgreSQL refuses to run as root, so there it runs as the user its package made. */
function systemUser(): Owner {
  const id = (flag: string) => Number(execFileSync('id', [flag, SYSTEM_USER], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query('select 1')
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => {})
  }
}
