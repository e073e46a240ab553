import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { freePort } from '../services/free-port.ts'
import { ServiceProcess } from '../services/service-process.ts'

const MAIN = resolve(import.meta.dirname, '../../src/main.ts')
const ANSWER_TIMEOUT_MS = 5_000

/** One instance of the server as a process of its own, always on the same port; its log is in its folder. */
export class Instance {
  readonly name: string
  readonly port: number
  readonly url: string
  readonly #process: ServiceProcess
  #isToRun = false
  readonly #ends: string[] = []

  static async create(name: string, folder: string, env: Record<string, string>): Promise<Instance> {
    const own = join(folder, name)
    await mkdir(own)
    return new Instance(name, own, await freePort(), env)
  }

  private constructor(name: string, folder: string, port: number, env: Record<string, string>) {
    const { PATH = '' } = process.env
    this.name = name
    this.port = port
    this.url = `http://127.0.0.1:${port}`
    this.#process = new ServiceProcess({
      ...{ name, folder, program: process.execPath, args: [MAIN], deathSignal: 'KILL' },
      env: { PATH, HOST: '127.0.0.1', PORT: String(port), ...env },
      answers: () => this.isReady(),
    })
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  /** Times that it ended though nobody had asked it to. */
  get ends(): readonly string[] {
    return this.#ends
  }

  async isReady(): Promise<boolean> {
    try {
      const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS)
      return (await fetch(`${this.url}/readyz`, { signal })).ok
    } catch {
      return false
    }
  }

  /** Resolves when it is ready. */
  async start(): Promise<void> {
    await this.#process.start()
    this.#isToRun = true
  }

  async kill(): Promise<void> {
    this.#noteEnd()
    this.#isToRun = false
    await this.#process.kill()
  }

  /** SIGTERM; what it ends with has to be 0. */
  async shutDown(): Promise<void> {
    this.#noteEnd()
    this.#isToRun = false
    const code = await this.#process.shutDown('SIGTERM')
    if (code !== 0) this.#ends.push(`${this.name} ended with ${code} after SIGTERM`)
  }

  pause(): void {
    this.#process.pause()
  }

  resume(): void {
    this.#process.resume()
  }

  /** One that has ended by itself is started again, and that is remembered. */
  async ensureRunning(): Promise<void> {
    this.#noteEnd()
    await this.start()
  }

  #noteEnd(): void {
    if (this.#isToRun && this.pid === undefined) this.#ends.push(`${this.name} ended by itself, see its log`)
  }
}
