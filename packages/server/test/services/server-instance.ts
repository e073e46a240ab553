import { resolve } from 'node:path'
import serverFlags from '../../../../scripts/server-flags.cjs'
import { freePort } from './free-port.ts'
import { makeServiceFolder, removeServiceFolder } from './service-folder.ts'
import { ServiceProcess } from './service-process.ts'

const MAIN = resolve(import.meta.dirname, '../../src/main.ts')
const ANSWER_TIMEOUT_MS = 5_000

/**
 * One instance of the server as a process of its own on a free port of 127.0.0.1.
 *
 * On Linux it ends with the process that started it, however that ends.
 */
export interface ServerInstance {
  readonly url: string
  readonly port: number
  /** Undefined while it is down. */
  readonly pid: number | undefined
  log(): Promise<string>
  /** Starts it again after `kill` or `shutDown`, on the same port; resolves when it is ready. */
  start(): Promise<void>
  /** SIGTERM; resolves with its exit code, null if it died of a signal. */
  shutDown(): Promise<number | null>
  kill(): Promise<void>
  /** SIGSTOP: connections stay open and nothing answers. */
  pause(): void
  resume(): void
  /** Ends it in order, if it is not down already, and removes its folder. */
  stop(): Promise<void>
}

/** `environment` is all that it knows of ours but PATH. */
export async function startServerInstance(environment: Record<string, string>): Promise<ServerInstance> {
  const folder = await makeServiceFolder('instance')
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const { PATH = '' } = process.env
  const server = new ServiceProcess({
    ...{ name: 'An instance', program: process.execPath, args: [...serverFlags, MAIN], folder },
    // Nothing is lost: what it acknowledged is in PostgreSQL.
    deathSignal: 'KILL',
    env: { PATH, ...environment, HOST: '127.0.0.1', PORT: String(port) },
    answers: () =>
      fetch(`${url}/readyz`, { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) }).then(
        ({ ok }) => ok,
        () => false,
      ),
  })

  async function stop(): Promise<void> {
    server.resume()
    await server.shutDown('SIGTERM')
    await removeServiceFolder(folder)
  }

  await server.start().catch(async (error: unknown) => {
    await stop()
    throw error
  })

  return {
    ...{ url, port, stop },
    get pid() {
      return server.pid
    },
    log: () => server.log(),
    start: () => server.start(),
    shutDown: () => server.shutDown('SIGTERM'),
    kill: () => server.kill(),
    pause: () => server.pause(),
    resume: () => server.resume(),
  }
}
