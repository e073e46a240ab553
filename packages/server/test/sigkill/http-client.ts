import { Agent, request as httpRequest } from 'node:http'

export interface Answer {
  status: number
  /** Parsed if it is JSON, else its text: a proxy between may answer as it likes. */
  // biome-ignore lint/suspicious/noExplicitAny: answers of many routes, read by tests that fail on a wrong one
  body: any
}

/** The connection was refused: the server has certainly not seen the request. */
export class NotSent extends Error {}

const TIMEOUT_MS = 30_000

export interface HttpClientOptions {
  /** An address of this machine to come from. */
  localAddress?: string
  timeoutMs?: number
}

/** Requests over kept-alive connections; rejects when there is no answer. */
export class HttpClient {
  readonly #agent: Agent
  readonly #url: string
  readonly #timeoutMs: number

  constructor(url: string, { localAddress, timeoutMs = TIMEOUT_MS }: HttpClientOptions = {}) {
    this.#url = url
    this.#timeoutMs = timeoutMs
    this.#agent = new Agent({ keepAlive: true, ...(localAddress !== undefined && { localAddress }) })
  }

  send(method: string, path: string, body?: unknown): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const text = body === undefined ? undefined : JSON.stringify(body)
      const headers =
        text === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }
      const request = httpRequest(
        `${this.#url}${path}`,
        { method, headers, agent: this.#agent },
        (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          response.on('error', reject)
          response.on('end', () => {
            if (!response.complete) reject(new Error('The answer was cut off.'))
            else resolve({ status: response.statusCode!, body: parsed(Buffer.concat(chunks).toString()) })
          })
        },
      )
      request.setTimeout(this.#timeoutMs, () => request.destroy(new Error('No answer.')))
      request.on('error', (error: NodeJS.ErrnoException) => {
        reject(error.code === 'ECONNREFUSED' ? new NotSent(error.message) : error)
      })
      request.end(text)
    })
  }

  close(): void {
    this.#agent.destroy()
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
