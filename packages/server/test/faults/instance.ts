import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type ServerInstance, startServerInstance } from '../services/server-instance.ts'

const ANSWER_TIMEOUT_MS = 5_000

/** One instance of the cluster, which is told how it was ended and remembers when it ended otherwise. */
export class Instance {
  readonly name: string
  readonly #server: ServerInstance
  readonly #ends: string[] = []
  #isToRun = true

  static async start(name: string, environment: Record<string, string>): Promise<Instance> {
    return new Instance(name, await startServerInstance(environment))
  }

  private constructor(name: string, server: ServerInstance) {
    this.name = name
    this.#server = server
  }

  get port(): number {
    return this.#server.port
  }

  get url(): string {
    return this.#server.url
  }

  /** Times that it ended though nobody had asked it to, or not as it was asked to. */
  get ends(): readonly string[] {
    return this.#ends
  }

  async isReady(): Promise<boolean> {
    try {
      return (await fetch(`${this.url}/readyz`, { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) })).ok
    } catch {
      return false
    }
  }

  /** Resolves when it is ready. */
  async start(): Promise<void> {
    await this.#server.start()
    this.#isToRun = true
  }

  async kill(): Promise<void> {
    this.#noteEnd()
    this.#isToRun = false
    await this.#server.kill()
  }

  /** SIGTERM; what it ends with has to be 0. */
  async shutDown(): Promise<void> {
    this.#noteEnd()
    this.#isToRun = false
    const code = await this.#server.shutDown()
    if (code !== 0)
      this.#ends.push(`${this.name} ended with ${code} after SIGTERM, ${new Date().toISOString()}`)
  }

  pause(): void {
    this.#server.pause()
  }

  resume(): void {
    this.#server.resume()
  }

  /** One that has ended by itself is started again, and that is remembered. */
  async ensureRunning(): Promise<void> {
    this.#noteEnd()
    await this.start()
  }

  /** Over all its lives. */
  async saveLog(folder: string): Promise<void> {
    await writeFile(join(folder, `${this.name}.log`), await this.#server.log())
  }

  /** Ends it, however it is, and removes what it left. */
  async stop(): Promise<void> {
    await this.#server.kill()
    await this.#server.stop()
  }

  #noteEnd(): void {
    if (this.#isToRun && this.#server.pid === undefined)
      this.#ends.push(`${this.name} had ended by itself by ${new Date().toISOString()}, see its log`)
  }
}
