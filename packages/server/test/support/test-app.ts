import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type App, createApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'

export interface Answer {
  status: number
  headers: Headers
  text: string
  /** The parsed body; null when there is none. */
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape are looked into
  json: any
}

export interface TestApp {
  app: App
  url: string
  port: number
  /** `body` that is a string is sent as it is, anything else as JSON. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  /** Sends bytes and gives back all the server answers until it ends the connection. */
  raw(bytes: string | Buffer): Promise<string>
  close(): Promise<void>
}

/** A whole server on the embedded store in a directory of its own, on a free port. */
export async function startTestApp(environment: Record<string, string> = {}): Promise<TestApp> {
  const dataDir = await mkdtemp(join(tmpdir(), 'livekv-test-'))
  const { config } = loadConfig({
    PORT: '0',
    DATA_DIR: join(dataDir, 'data'),
    LOG_LEVEL: 'silent',
    SHUTDOWN_TIMEOUT: '2s',
    ...environment,
  })
  const app = await createApp(config)
  const port = Number(new URL(app.url).port)
  return {
    app,
    url: app.url,
    port,
    async call(method, path, body, headers = {}) {
      const response = await fetch(`${app.url}${path}`, {
        method,
        redirect: 'manual',
        headers: body === undefined ? headers : { 'content-type': 'application/json', ...headers },
        ...(body !== undefined && { body: isRaw(body) ? body : JSON.stringify(body) }),
      })
      const text = await response.text()
      const isJson = response.headers.get('content-type')?.startsWith('application/json')
      return {
        status: response.status,
        headers: response.headers,
        text,
        json: isJson && text !== '' ? JSON.parse(text) : null,
      }
    },
    raw: (bytes) =>
      new Promise((resolve, reject) => {
        const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
        let answer = ''
        socket.setEncoding('utf8')
        socket.on('data', (text: string) => {
          answer += text
        })
        socket.on('close', () => resolve(answer))
        socket.on('error', reject)
      }),
    async close() {
      await app.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

function isRaw(body: unknown): body is string | Uint8Array<ArrayBuffer> {
  return typeof body === 'string' || body instanceof Uint8Array
}
