import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import { LiveClient } from './live-client.ts'
import { startTestApp, type TestApp } from './test-app.ts'

export interface LiveApp {
  readonly url: string
  call: TestApp['call']
  connect(options?: Parameters<typeof LiveClient.connect>[1]): Promise<LiveClient>
  /** By HTTP; resolves with the revision. */
  put(key: string, value: unknown): Promise<number>
  remove(key: string): Promise<number>
  /** In one commit; resolves with the revision of the last. */
  putMany(entries: readonly (readonly [key: string, value: unknown])[]): Promise<number>
}

/** One server for all tests of a file; its clients are closed after each test, and must have seen nothing wrong. */
export function useLiveApp(environment: Record<string, string> = {}): LiveApp {
  let app: TestApp
  const clients: LiveClient[] = []
  beforeAll(async () => {
    app = await startTestApp(environment)
  })
  afterEach(() => {
    for (const client of clients.splice(0)) {
      client.close()
      for (const { problems } of client.watches.values()) expect(problems).toEqual([])
    }
  })
  afterAll(() => app.close())

  const address = (key: string) => `/api/v1/entries?key=${encodeURIComponent(key)}`
  const done = async (answer: ReturnType<TestApp['call']>) => {
    const { status, json } = await answer
    expect(status, JSON.stringify(json)).toBe(200)
    return json
  }
  return {
    get url() {
      return app.url
    },
    call: (...request) => app.call(...request),
    async connect(options) {
      const client = await LiveClient.connect(app.url, options)
      clients.push(client)
      return client
    },
    put: async (key, value) => (await done(app.call('PUT', address(key), { value }))).revision,
    remove: async (key) => (await done(app.call('DELETE', address(key)))).revision,
    async putMany(entries) {
      const writes = entries.map(([key, value]) => ({ key, value }))
      return (await done(app.call('POST', '/api/v1/batch', { writes }))).results.at(-1).revision
    },
  }
}
