import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createClient } from 'redis'
import { findRedis } from './binaries.ts'
import { makeCertificates } from './certificates.ts'
import { freePort } from './free-port.ts'
import { makeServiceFolder, removeServiceFolder } from './service-folder.ts'
import { ServiceProcess } from './service-process.ts'

const CONNECT_TIMEOUT_MS = 5_000

export interface RedisOptions {
  /** Of the default user, or of `user`. */
  password?: string
  /** The only user there is then. Needs a `password`. */
  user?: string
  /** TLS only, with a certificate for 127.0.0.1 and localhost. */
  tls?: boolean
  /** Lines of redis.conf, e.g. `{ maxmemory: '1mb' }`. */
  settings?: Record<string, string>
}

/**
 * A real Redis of its own on a free port of 127.0.0.1 that keeps nothing on disk: it is empty after each start.
 *
 * On Linux it ends with the process that started it, however that ends.
 */
export interface RedisServer {
  /** With the user and the password: `redis://`, or `rediss://` with `tls`. */
  readonly url: string
  readonly port: number
  /** What a client has to trust, in PEM; with `tls` only. */
  readonly caFile: string | undefined
  log(): Promise<string>
  /** Ends it in order and starts it again, empty. */
  restart(): Promise<void>
  /** Starts it again after `kill`, on the same port, empty. */
  start(): Promise<void>
  kill(): Promise<void>
  /** SIGSTOP: connections stay open and nothing answers. */
  pause(): void
  resume(): void
  /** Removes every key of every database. */
  flush(): Promise<void>
  /** Ends it, if it is not down already, and removes its folder. */
  stop(): Promise<void>
}

export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const program = findRedis()
  if (!program) throw new Error('Redis is needed: install the package "redis-server".')
  const folder = await makeServiceFolder('redis')
  const port = await freePort()
  const certificates = options.tls ? makeCertificates(join(folder, 'tls')) : undefined
  const configFile = join(folder, 'redis.conf')
  const lines = {
    bind: '127.0.0.1',
    port: certificates ? '0' : String(port),
    dir: folder,
    save: '""',
    appendonly: 'no',
    ...(certificates && {
      'tls-port': String(port),
      'tls-cert-file': certificates.certificateFile,
      'tls-key-file': certificates.keyFile,
      'tls-ca-cert-file': certificates.caFile,
      'tls-auth-clients': 'no',
    }),
    ...options.settings,
  }
  const config = Object.entries(lines).map(([name, value]) => `${name} ${value}`)
  await writeFile(configFile, [...config, ...logins(options)].join('\n'), { mode: 0o600 })

  const login = options.password ? `${options.user ?? ''}:${encodeURIComponent(options.password)}@` : ''
  const url = `${certificates ? 'rediss' : 'redis'}://${login}127.0.0.1:${port}`

  /** Nothing is checked about who answers: this is the server's own starter. */
  const newClient = () => {
    const socket = { connectTimeout: CONNECT_TIMEOUT_MS, reconnectStrategy: false } as const
    const tls = certificates && ({ tls: true, rejectUnauthorized: false } as const)
    // The older protocol does without HELLO, which a test may take away.
    return createClient({ url, RESP: 2, socket: { ...socket, ...tls } }).on('error', () => {})
  }
  const withClient = async (work: (client: ReturnType<typeof newClient>) => Promise<unknown>) => {
    const client = newClient()
    try {
      await client.connect()
      await work(client)
    } finally {
      client.destroy()
    }
  }

  const server = new ServiceProcess({
    ...{ name: 'Redis', program, args: [configFile], folder, deathSignal: 'KILL' },
    answers: () =>
      withClient((client) => client.ping()).then(
        () => true,
        () => false,
      ),
  })

  async function stop(): Promise<void> {
    await server.kill()
    await removeServiceFolder(folder)
  }

  await server.start().catch(async (error: unknown) => {
    await stop()
    throw error
  })

  return {
    ...{ url, port, caFile: certificates?.caFile, stop },
    log: () => server.log(),
    async restart() {
      await server.shutDown('SIGTERM')
      await server.start()
    },
    start: () => server.start(),
    kill: () => server.kill(),
    pause: () => server.pause(),
    resume: () => server.resume(),
    flush: () => withClient((client) => client.flushAll()),
  }
}

function logins({ user, password }: RedisOptions): string[] {
  if (user) return ['user default off', `user ${user} on >${password} ~* &* +@all`]
  return password ? [`requirepass ${password}`] : []
}
