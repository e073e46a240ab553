import type { Socket } from 'node:net'
import pg from 'pg'

/** Connecting, logging in and the session's settings together. */
const SET_UP_TIMEOUT_MS = 5_000
/** Above the server's statement_timeout: by then a server that can be heard has answered or refused. */
const SILENCE_MS = 12_000

/**
 * A connection to a server that notices by itself when nobody is at the other end any more: a link that is cut without
 * a word would otherwise hold its place in the pool, and whoever waits for it, until the kernel gives up, which takes a
 * quarter of an hour.
 */
export class DatabaseClient extends pg.Client {
  readonly #setUp: NodeJS.Timeout

  constructor(config?: pg.ClientConfig) {
    super(config)
    this.#setUp = setTimeout(
      () => this.cut(`no connection was made in ${SET_UP_TIMEOUT_MS} ms`),
      SET_UP_TIMEOUT_MS,
    )
    this.once('end', () => clearTimeout(this.#setUp))
  }

  /** The session is set up: from now on it may be idle for as long as it likes, and a statement may be silent so long. */
  becomeReady(silenceMs = SILENCE_MS): void {
    clearTimeout(this.#setUp)
    const { stream } = this
    stream.setTimeout(silenceMs)
    stream.on('timeout', () => {
      if (!this.isIdle) this.cut(`the database gave no answer in ${silenceMs} ms`)
    })
  }

  get isIdle(): boolean {
    // The driver's own mark, which its types leave out.
    return (this as unknown as { readyForQuery: boolean }).readyForQuery
  }

  /** Without a farewell: nobody may be there to read it. */
  cut(reason: string): void {
    this.stream.destroy(new Error(reason))
  }

  get stream(): Socket {
    // With TLS another one than it began with.
    return (this as unknown as { connection: { stream: Socket } }).connection.stream
  }
}
