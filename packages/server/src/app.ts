import type { Config } from './config.ts'

export interface App {
  /** Where it listens, e.g. `http://127.0.0.1:8080`. */
  url: string
  /** Drains commits, closes sockets and the store; resolves when nothing is left running. */
  close(): Promise<void>
}

export type CreateApp = (config: Config) => Promise<App>
