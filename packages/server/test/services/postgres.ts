import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chownSync, closeSync, openSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { findPostgres } from './binaries.ts'
import { freePort } from './free-port.ts'
import { isAlive, processTree, signalAll } from './processes.ts'

const SYSTEM_USER = 'postgres'
const FOLDER_PREFIX = 'livekv-postgres-'
const START_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 10_000
const POLL_MS = 50

export interface PostgresOptions {
  /** Server settings, e.g. `{ max_connections: '20' }`. */
  settings?: Record<string, string>
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
  await removeAbandoned()
  const folder = await mkdtemp(join(tmpdir(), `${FOLDER_PREFIX}${process.pid}-`))
  const data = join(folder, 'data')
  const logFile = join(folder, 'server.log')
  const password = randomBytes(12).toString('hex')
  const passwordFile = join(folder, 'password')
  await writeFile(passwordFile, password, { mode: 0o600 })
  if (owner) for (const file of [folder, passwordFile]) chownSync(file, owner.uid, owner.gid)
  execFileSync(
    join(binaries.folder, 'initdb'),
    [
      ...['-D', data, '-U', SYSTEM_USER, '--auth=scram-sha-256', `--pwfile=${passwordFile}`],
      ...['-E', 'UTF8', '--locale=C', '--locale-provider=icu', '--icu-locale=en-US', '--no-sync'],
    ],
    { cwd: folder, stdio: 'pipe', ...owner },
  )

  const port = await freePort()
  const url = `postgres://${SYSTEM_USER}:${password}@127.0.0.1:${port}/postgres`
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: folder,
    ...options.settings,
  }
  const program = join(binaries.folder, 'postgres')
  const args = ['-D', data, '-p', String(port)]
  for (const [name, value] of Object.entries(settings)) args.push('-c', `${name}=${value}`)

  let server: ChildProcess | undefined

  async function start(): Promise<void> {
    const deadline = Date.now() + START_TIMEOUT_MS
    while (true) {
      const started = launch(program, args, folder, logFile, owner)
      server = started
      while (isRunning(started)) {
        if (await answers(url)) return
        if (Date.now() > deadline) break
        await sleep(POLL_MS)
      }
      // After a SIGKILL the memory shared with the last backends is in the way until they have noticed.
      if (Date.now() > deadline || !(await readFile(logFile, 'utf8')).includes('shared memory')) {
        await kill()
        throw new Error(`PostgreSQL did not start:\n${await tail(logFile)}`)
      }
      await sleep(POLL_MS)
    }
  }

  async function shutDown(mode: 'fast' | 'immediate' = 'fast'): Promise<void> {
    if (!server || !isRunning(server)) return
    const ended = once(server, 'exit')
    signalAll([server.pid!], mode === 'fast' ? 'SIGINT' : 'SIGQUIT')
    await ended
  }

  async function kill(): Promise<void> {
    if (!server || !isRunning(server)) return
    const ended = once(server, 'exit')
    const all = processTree(server.pid!)
    signalAll(all, 'SIGKILL')
    await ended
    while (all.some(isAlive)) await sleep(POLL_MS)
  }

  const signalTree = (signal: NodeJS.Signals) => {
    if (server && isRunning(server)) signalAll(processTree(server.pid!), signal)
  }
  const resume = () => signalTree('SIGCONT')

  await start().catch(async (error: unknown) => {
    await rm(folder, { recursive: true, force: true })
    throw error
  })

  return {
    url,
    port,
    log: () => readFile(logFile, 'utf8'),
    createDatabase: () => createDatabase(url),
    async restart(mode) {
      await shutDown(mode)
      await start()
    },
    shutDown,
    start,
    kill,
    pause: () => signalTree('SIGSTOP'),
    resume,
    async stop() {
      // Not SIGKILL at once: a server that ends by itself leaves no shared memory behind.
      resume()
      await Promise.race([shutDown('immediate'), sleep(STOP_TIMEOUT_MS, undefined, { ref: false })])
      await kill()
      await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
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

/** Folders whose process was killed before it could remove them. */
async function removeAbandoned(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const starter = name.startsWith(FOLDER_PREFIX)
      ? Number(name.slice(FOLDER_PREFIX.length).split('-')[0])
      : 0
    if (starter > 0 && !isAlive(starter)) await rm(join(tmpdir(), name), { recursive: true, force: true })
  }
}

interface Owner {
  uid: number
  gid: number
}

/** PostgreSQL refuses to run as root, so there it runs as the user its package made. */
function systemUser(): Owner {
  const id = (flag: string) => Number(execFileSync('id', [flag, SYSTEM_USER], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

/** On Linux `setpriv` has the kernel end it (SIGQUIT) when the thread that started it is gone. */
function launch(program: string, args: string[], cwd: string, logFile: string, owner?: Owner): ChildProcess {
  const log = openSync(logFile, 'a')
  try {
    const stdio = ['ignore', log, log] as const
    if (process.platform !== 'linux') return spawn(program, args, { cwd, stdio: [...stdio], ...owner })
    const user = owner ? [`--reuid=${owner.uid}`, `--regid=${owner.gid}`, '--clear-groups'] : []
    return spawn('setpriv', [...user, '--pdeathsig=QUIT', program, ...args], { cwd, stdio: [...stdio] })
  } finally {
    closeSync(log)
  }
}

function isRunning(server: ChildProcess): boolean {
  return server.exitCode === null && server.signalCode === null
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

async function tail(file: string): Promise<string> {
  return (await readFile(file, 'utf8')).split('\n').slice(-15).join('\n')
}
