import type { LiveKVError } from '@livekv/protocol'
import { createApp, loadConfig } from '@livekv/server'
import { startFeed } from './feed.ts'

export interface Demo {
  /** Where people open it. */
  url: string
  /** When server or feed cannot go on. */
  failed: Promise<LiveKVError | Error>
  close(): Promise<void>
}

export interface DemoSettings {
  dataDir: string
  environment: Readonly<Record<string, string | undefined>>
}

/** What a demo takes from the environment: never the store, so that it does not write among real values. */
const TAKEN = ['HOST', 'PORT', 'ALLOWED_ORIGINS', 'SHUTDOWN_TIMEOUT']

/** A server with a store of its own, and a market that is written to it until `close`. */
export async function startDemo({ dataDir, environment }: DemoSettings): Promise<Demo> {
  const taken = Object.fromEntries(TAKEN.map((name) => [name, environment[name]]))
  const { config } = loadConfig({ ...taken, DATA_DIR: dataDir, LOG_LEVEL: 'warn' })
  const app = await createApp(config)
  try {
    const feed = await startFeed(app.url)
    return {
      url: app.url,
      failed: Promise.race([app.failed, feed.done.then(() => new Promise<never>(() => {}), asError)]),
      async close() {
        feed.stop()
        await feed.done.catch(() => {})
        await app.close()
      },
    }
  } catch (error) {
    await app.close()
    throw error
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
