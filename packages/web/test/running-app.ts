import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type App, createApp } from '../../server/src/app.ts'
import { loadConfig } from '../../server/src/config.ts'
import { freePort } from '../../server/test/services/free-port.ts'

const { ensurePages } = createRequire(import.meta.url)('../../../scripts/pages.cjs')

/** The real server with an embedded store of its own, and the pages as they are now. */
export interface RunningApp {
  url: string
  /** `json` is sent as it is, `time` is the source's own; returns the revision. */
  put(key: string, json: string, options?: { time?: string; ttlMs?: number }): Promise<number>
  /** Each key with its position as value. */
  putMany(keys: readonly string[]): Promise<void>
  delete(key: string): Promise<void>
  /** The JSON text of the value, or undefined. */
  valueText(key: string): Promise<string | undefined>
  stop(): Promise<void>
  /** After `stop`: the same address, and the same data unless `empty`. */
  start(empty?: boolean): Promise<void>
  close(): Promise<void>
}

export async function runApp(settings: Record<string, string> = {}): Promise<RunningApp> {
  await ensurePages(process.execPath)
  const directory = await mkdtemp(join(tmpdir(), 'livekv-web-'))
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  let generation = 0
  let app: App | undefined

  const running: RunningApp = {
    url,
    async put(key, json, options = {}) {
      const more = Object.entries(options).map(([name, value]) => `,"${name}":${JSON.stringify(value)}`)
      const response = await fetch(`${url}/api/v1/entries?key=${encodeURIComponent(key)}`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: `{"value":${json}${more.join('')}}`,
      })
      if (!response.ok) throw new Error(await response.text())
      return ((await response.json()) as { revision: number }).revision
    },
    async putMany(keys) {
      for (let from = 0; from < keys.length; from += 5_000) {
        const writes = keys.slice(from, from + 5_000).map((key, at) => ({ key, value: from + at }))
        const response = await fetch(`${url}/api/v1/batch`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ writes }),
        })
        if (!response.ok) throw new Error(await response.text())
      }
    },
    async delete(key) {
      const response = await fetch(`${url}/api/v1/entries?key=${encodeURIComponent(key)}`, {
        method: 'DELETE',
      })
      if (!response.ok) throw new Error(await response.text())
    },
    async valueText(key) {
      const response = await fetch(`${url}/api/v1/entries?key=${encodeURIComponent(key)}`)
      const text = await response.text()
      return response.ok ? /"value":(.*),"revision"/s.exec(text)?.[1] : undefined
    },
    async stop() {
      await app?.close()
      app = undefined
    },
    async start(empty = false) {
      if (empty) generation++
      const { config } = loadConfig({
        PORT: String(port),
        DATA_DIR: join(directory, String(generation)),
        LOG_LEVEL: 'silent',
        ...settings,
      })
      app = await createApp(config)
    },
    async close() {
      await running.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
  await running.start()
  return running
}
