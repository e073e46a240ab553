import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type App, createApp } from '../../../server/src/app.ts'
import { loadConfig } from '../../../server/src/config.ts'
import { freePort } from '../../../server/test/services/free-port.ts'

/** A server in this process that can be stopped and started again at the same address. */
export class RestartableApp {
  readonly port: number
  readonly url: string
  readonly #directory: string
  #app: App | undefined
  #store = 0

  private constructor(port: number, directory: string) {
    this.port = port
    this.url = `http://127.0.0.1:${port}`
    this.#directory = directory
  }

  static async start(): Promise<RestartableApp> {
    const app = new RestartableApp(await freePort(), await mkdtemp(join(tmpdir(), 'livekv-client-')))
    await app.start()
    return app
  }

  /** With the data it had, or on `another` store. */
  async start(another?: 'another store'): Promise<void> {
    if (another) this.#store++
    const { config } = loadConfig({
      HOST: '127.0.0.1',
      PORT: String(this.port),
      DATA_DIR: join(this.#directory, String(this.#store)),
      LOG_LEVEL: 'silent',
      SHUTDOWN_TIMEOUT: '2s',
    })
    this.#app = await createApp(config)
  }

  async stop(): Promise<void> {
    await this.#app?.close()
    this.#app = undefined
  }

  async put(key: string, value: unknown): Promise<number> {
    const { revision } = await this.#call('PUT', key, JSON.stringify({ value }))
    return revision
  }

  async delete(key: string): Promise<void> {
    await this.#call('DELETE', key)
  }

  async remove(): Promise<void> {
    await this.stop()
    await rm(this.#directory, { recursive: true, force: true })
  }

  async #call(method: string, key: string, body?: string): Promise<{ revision: number }> {
    const response = await fetch(`${this.url}/api/v1/entries?key=${encodeURIComponent(key)}`, {
      method,
      ...(body !== undefined && { body, headers: { 'content-type': 'application/json' } }),
    })
    if (!response.ok) throw new Error(`${method} ${key}: ${response.status} ${await response.text()}`)
    return (await response.json()) as { revision: number }
  }
}
