import { readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { findNginx } from './binaries.ts'
import { freePort } from './free-port.ts'
import { makeServiceFolder, removeServiceFolder } from './service-folder.ts'
import { ServiceProcess } from './service-process.ts'

const DEPLOYED = resolve(import.meta.dirname, '../../../../deploy')
const ANSWER_TIMEOUT_MS = 5_000
/** Debian's Nginx has these in folders that only root may write. */
const TEMPORARY_PATHS = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']

export interface NginxOptions {
  /** Ports of 127.0.0.1 that the instances listen on. */
  upstreams: readonly number[]
}

/**
 * A real Nginx of its own on a free port of 127.0.0.1, with the project's own configuration from `deploy/`: only
 * the address it listens on and the addresses of the instances are replaced.
 *
 * On Linux it ends with the process that started it, however that ends.
 */
export interface NginxServer {
  readonly url: string
  readonly port: number
  log(): Promise<string>
  /** Has it read its configuration again, with other instances if they are given. Connections stay with the old workers. */
  reload(options?: NginxOptions): Promise<void>
  /** Starts it again after `kill`, on the same port. */
  start(): Promise<void>
  /** SIGKILL to every process of it. */
  kill(): Promise<void>
  pause(): void
  resume(): void
  /** Ends it, if it is not down already, and removes its folder. */
  stop(): Promise<void>
}

export async function startNginx(options: NginxOptions): Promise<NginxServer> {
  const program = findNginx()
  if (!program) throw new Error('Nginx is needed: install the package "nginx-light".')
  const folder = await makeServiceFolder('nginx')
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const configFile = join(folder, 'nginx.conf')
  await writeFile(configFile, await ownConfig(folder, port))
  await writeUpstreams(folder, options)

  const startup = `daemon off; pid ${folder}/nginx.pid;`
  const args = ['-c', configFile, '-p', `${folder}/`, '-e', 'stderr', '-g', startup]
  const server = new ServiceProcess({
    ...{ name: 'Nginx', program, args, folder, deathSignal: 'TERM' },
    answers: () =>
      fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) }).then(
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
    ...{ url, port, stop },
    log: () => server.log(),
    async reload(changed) {
      if (changed) await writeUpstreams(folder, changed)
      server.signal('SIGHUP')
    },
    start: () => server.start(),
    kill: () => server.kill(),
    pause: () => server.pause(),
    resume: () => server.resume(),
  }
}

async function ownConfig(folder: string, port: number): Promise<string> {
  const deployed = await readFile(join(DEPLOYED, 'nginx.conf'), 'utf8')
  const paths = TEMPORARY_PATHS.map((name) => `  ${name}_temp_path ${folder}/${name};`).join('\n')
  // Started by root, the workers would be another user, who need not see the folder.
  const user = process.getuid?.() === 0 ? 'user root;\n' : ''
  return (
    user +
    replaceOne(deployed, /^\s*listen 80;$/m, `listen 127.0.0.1:${port};`)
      .replace(/^user .*;\n/m, '')
      .replace(/^http \{$/m, `http {\n${paths}`)
  )
}

/** The project's upstream.conf, with these instances in place of its own and each with their parameters. */
async function writeUpstreams(folder: string, { upstreams }: NginxOptions): Promise<void> {
  const deployed = await readFile(join(DEPLOYED, 'upstream.conf'), 'utf8')
  const servers = (_: string, parameters: string) =>
    upstreams.map((port) => `  server 127.0.0.1:${port}${parameters};\n`).join('')
  const config = replaceOne(deployed, /(?:^ *server \S+([^;]*);\n)+/m, servers)
  await writeFile(join(folder, 'upstream.conf'), config)
}

function replaceOne(text: string, pattern: RegExp, by: string | ((...matched: string[]) => string)): string {
  if (!pattern.test(text)) throw new Error(`deploy/: nothing there looks like ${pattern}: mend nginx.ts`)
  return text.replace(pattern, typeof by === 'string' ? () => by : by)
}
