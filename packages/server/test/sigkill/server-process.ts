import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const MAIN = resolve(import.meta.dirname, '../../src/main.ts')
const START_TIMEOUT_MS = 300_000

/** The real server as a process of its own, always on the same port. */
export class ServerProcess {
  readonly url: string
  readonly #env: Record<string, string>
  readonly #folder: string
  #process: ChildProcess | undefined
  #output = ''

  constructor(port: number, folder: string, env: Record<string, string>) {
    this.url = `http://127.0.0.1:${port}`
    this.#folder = folder
    this.#env = { ...env, PORT: String(port), HOST: '127.0.0.1', LOG_LEVEL: 'warn' }
  }

  /** Resolves when it is ready. */
  async start(): Promise<void> {
    const { PATH = '' } = process.env
    const command = [process.execPath, MAIN]
    // The kernel ends it with the test, however that ends.
    if (process.platform === 'linux') command.unshift('setpriv', '--pdeathsig=KILL')
    const [program, ...args] = command
    const server = spawn(program!, args, {
      cwd: this.#folder,
      env: { PATH, ...this.#env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#process = server
    for (const stream of [server.stdout, server.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-8_000)
      })
    }
    const deadline = Date.now() + START_TIMEOUT_MS
    while (!(await this.#isReady())) {
      if (server.exitCode !== null || Date.now() > deadline) {
        await this.kill()
        throw new Error(`The server did not start:\n${this.#output}`)
      }
      await sleep(20)
    }
  }

  /** SIGKILL; resolves when it is gone. */
  async kill(): Promise<void> {
    const server = this.#process
    if (!server || server.exitCode !== null || server.signalCode !== null) return
    const ended = once(server, 'exit')
    server.kill('SIGKILL')
    await ended
  }

  /** SIGTERM; resolves with the exit code, null if a signal ended it. */
  async terminate(): Promise<number | null> {
    const server = this.#process
    if (!server) throw new Error('the server was not started')
    const ended = once(server, 'exit')
    server.kill('SIGTERM')
    const [code] = await ended
    return code as number | null
  }

  get output(): string {
    return this.#output
  }

  async #isReady(): Promise<boolean> {
    try {
      return (await fetch(`${this.url}/readyz`)).ok
    } catch {
      return false
    }
  }
}
