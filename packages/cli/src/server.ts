import { setTimeout as sleep } from 'node:timers/promises'
import { type Client, createClient, type Entry, type ListOptions, LiveKVError } from '@livekv/client'
import { EXIT, Failure, failureOf } from './failure.ts'
import { writtenJson } from './json-text.ts'

const PAUSE_MIN_MS = 100
const PAUSE_MAX_MS = 2_000

/**
 * The server as a command needs it. The client goes on trying, whatever happens; a command has to end: at once if
 * there is no server, and when what it waits for has not come within `patienceMs`.
 */
export class Server {
  readonly url: string
  readonly #client: Client
  readonly #patienceMs: number
  readonly #signal: AbortSignal
  #isThere = false
  #isConnecting = false
  /** Why it was closed before the work was done. */
  #failure: Failure | undefined

  /** The signal ends it. */
  constructor(url: string, patienceMs: number, signal: AbortSignal) {
    this.url = url
    this.#client = createClient(url, { json: writtenJson })
    this.#patienceMs = patienceMs
    this.#signal = signal
    signal.addEventListener('abort', () => this.#client.close())
  }

  /** Something has answered at its address. */
  get isThere(): boolean {
    return this.#isThere
  }

  /** A read. If its answer is lost or says "try again", it is asked again. */
  async ask<T>(read: (client: Client) => Promise<T>): Promise<T> {
    const giveUpAt = Date.now() + this.#patienceMs
    for (let pauseMs = PAUSE_MIN_MS; ; pauseMs = Math.min(pauseMs * 2, PAUSE_MAX_MS)) {
      try {
        const answer = await read(this.#client)
        this.#isThere = true
        return answer
      } catch (error) {
        this.#signal.throwIfAborted()
        const waitMs = waitAsked(error) ?? pauseMs * (0.5 + Math.random() / 2)
        if (!this.#mayPass(error) || Date.now() + waitMs > giveUpAt) throw this.#failureOf(error)
        await sleep(waitMs, undefined, { signal: this.#signal })
      }
    }
  }

  /** All entries, or those of a prefix. After the first page it is the client that waits for a lost server. */
  async *list(options: ListOptions): AsyncGenerator<Entry, void, void> {
    const { entries, first } = await this.ask(async (client) => {
      const entries = client.list(options)[Symbol.asyncIterator]()
      return { entries, first: await entries.next() }
    })
    try {
      for (let next = first; !next.done; next = await entries.next()) yield next.value
    } catch (error) {
      this.#signal.throwIfAborted()
      throw this.#failureOf(error)
    }
  }

  /** What goes over the client's connection. `isEndless`: a watch, which goes on until it is stopped. */
  async connected<T>(work: (client: Client) => Promise<T>, isEndless = false): Promise<T> {
    this.#connect()
    const timer = isEndless ? undefined : setTimeout(() => this.#end(this.#silence()), this.#patienceMs)
    try {
      const result = await work(this.#client)
      this.#throwIfEnded()
      return result
    } catch (error) {
      this.#throwIfEnded()
      throw this.#failureOf(error)
    } finally {
      clearTimeout(timer)
    }
  }

  /** If the first connection fails, any read tells why, and whether there is hope. */
  #connect(): void {
    if (this.#isConnecting) return
    this.#isConnecting = true
    this.#client.onState(({ name }) => {
      if (name === 'live') this.#isThere = true
      if (name !== 'offline' || this.#isThere) return
      this.ask((client) => client.get('livekv')).catch((failure: Failure) => this.#end(failure))
    })
  }

  #end(failure: Failure): void {
    this.#failure ??= failure
    this.#client.close()
  }

  #throwIfEnded(): void {
    this.#signal.throwIfAborted()
    if (this.#failure) throw this.#failure
  }

  #silence(): Failure {
    const waited = `${this.#patienceMs / 1000} s`
    if (!this.#isThere)
      return new Failure(
        EXIT.unavailable,
        'UNREACHABLE',
        `No answer from ${this.url} in ${waited}. Check that the address is right and that a LiveKV server runs there.`,
      )
    const { reason } = this.#client.state
    return new Failure(
      EXIT.unavailable,
      'COMMIT_UNKNOWN',
      `${this.url} did not acknowledge it in ${waited}${reason === undefined ? '' : ` (${reason})`}: it may be stored or not; "livekv history" shows it.`,
    )
  }

  #mayPass(error: unknown): boolean {
    if (!(error instanceof LiveKVError)) return false
    if (error.code !== 'UNREACHABLE' || error.cause === undefined) this.#isThere = true
    // A connection that breaks was one.
    else if (['ECONNRESET', 'UND_ERR_SOCKET'].includes(networkCode(error))) this.#isThere = true
    return error.retryable && this.#isThere
  }

  #failureOf(error: unknown): unknown {
    if (!(error instanceof LiveKVError)) return error
    if (error.code !== 'UNREACHABLE') return failureOf(error)
    if (networkCode(error) === 'ECONNREFUSED')
      return new Failure(
        EXIT.unavailable,
        'NO_SERVER',
        `No server answers at ${this.url}. Start one with "npm start", or name another with --url or LIVEKV_URL.`,
      )
    return new Failure(
      EXIT.unavailable,
      error.code,
      `${error.message} Check that the address is right and that a LiveKV server runs there.`,
    )
  }
}

function networkCode({ cause }: LiveKVError): string {
  return ((cause as Error | undefined)?.cause as { code?: string } | undefined)?.code ?? ''
}

function waitAsked(error: unknown): number | undefined {
  const seconds = error instanceof LiveKVError ? error.details.retryAfterSeconds : undefined
  return typeof seconds === 'number' ? seconds * 1_000 : undefined
}
