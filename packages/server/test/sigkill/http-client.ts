import { Agent, request as httpRequest } from 'node:http'

export interface Answer {
  status: number
  // biome-ignore lint/suspicious/noExplicitAny: answers of many routes, read by tests that fail on a wrong one
  body: any
}

/** The connection was refused: the server has certainly not seen the request. */
export class NotSent extends Error {}

const TIMEOUT_MS = 30_000

/** Requests over kept-alive connections; rejects when there is no answer. */
export class HttpClient {
  readonly #agent = new Agent({ keepAlive: true })
  readonly #url: string

  constructor(url: string) {
    this.#url = url
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
            else resolve({ status: response.statusCode!, body: JSON.parse(Buffer.concat(chunks).toString()) })
          })
        },
      )
      request.setTimeout(TIMEOUT_MS, () => request.destroy(new Error('No answer.')))
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
