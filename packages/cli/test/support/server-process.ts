import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(import.meta.resolve('@livekv/server/main'))

/** A real server in a process of its own, with a data directory of its own, that can be killed and started again. */
export class ServerProcess {
  readonly url: string
  readonly port: number
  readonly #directory: string
  #child: ChildProcess | undefined

  private constructor(port: number, directory: string) {
    this.port = port
    this.#directory = directory
    this.url = `http://127.0.0.1:${port}`
  }

  static async start(): Promise<ServerProcess> {
    const server = new ServerProcess(await freePort(), await mkdtemp(join(tmpdir(), 'livekv-cli-')))
    await server.start()
    return server
  }

  async start(): Promise<void> {
    const child = spawn(process.execPath, [MAIN], {
      cwd: this.#directory,
      env: {
        PATH: process.env.PATH,
        HOST: '127.0.0.1',
        PORT: String(this.port),
        DATA_DIR: join(this.#directory, 'data'),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    let output = ''
    for (const stream of [child.stdout!, child.stderr!])
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text
      })
    while (!(await this.#isReady())) {
      if (child.exitCode !== null) throw new Error(`the server ended:\n${output}`)
      await sleep(20)
    }
  }

  /** As a crash does: without any notice. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  async remove(): Promise<void> {
    await this.#end('SIGTERM')
    await rm(this.#directory, { recursive: true, force: true })
  }

  async get(path: string): Promise<string> {
    const response = await fetch(`${this.url}${path}`)
    const text = await response.text()
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`)
    return text
  }

  /** `json` is the value as JSON text. */
  async put(key: string, json: string): Promise<void> {
    await this.#send('PUT', `/api/v1/entries?key=${encodeURIComponent(key)}`, `{"value":${json}}`)
  }

  async delete(key: string): Promise<void> {
    await this.#send('DELETE', `/api/v1/entries?key=${encodeURIComponent(key)}`)
  }

  async head(): Promise<number> {
    return (JSON.parse(await this.get('/api/v1/changes?limit=1')) as { head: number }).head
  }

  async #send(method: string, path: string, body?: string): Promise<void> {
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(`${this.url}${path}`, {
      method,
      ...(body !== undefined && { body, headers }),
    })
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
    await response.arrayBuffer()
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }

  async #isReady(): Promise<boolean> {
    try {
      return (await fetch(`${this.url}/readyz`)).ok
    } catch {
      return false
    }
  }
}

/** Free a moment ago; the port has to stay the same over a restart, so 0 would not do. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}
