import type { Duplex } from 'node:stream'
import { Worker } from 'node:worker_threads'
import { LiveKVError } from '@livekv/protocol'
import type { Logger } from 'pino'
import { checkVersion, lockDirectory } from './data-directory.ts'
import type { EngineStart, EngineStats, ToEngine, ToMain } from './embedded-messages.ts'
import { EmbeddedStream } from './embedded-stream.ts'

/**
 * PostgreSQL inside the process: PGlite in a worker thread, durable, spoken to in PostgreSQL's own protocol.
 *
 *   pg -> EmbeddedStream -> [worker port] -> EmbeddedEngine -> DurableFileSystem -> disk
 *
 * Guarantees: a statement that was answered as committed is on disk. One process at a time has the directory. When
 * the engine cannot go on (a write or fsync failed, the thread died, no answer for a minute), every open stream is
 * destroyed with STORE_FAILED, `onFailure` is told, and no stream opened later works: what was under way may be
 * committed or not, and is found out by opening the directory again.
 * Does not: run two sessions. A new one ends the one before, with its transaction, settings and statements.
 */
export interface EmbeddedDatabase {
  /** A new Duplex speaking PostgreSQL's protocol, for pg's `stream` option (Sequelize: `dialectOptions.stream`). Pool of 1. */
  connect(): Duplex
  /** E.g. `PostgreSQL 18.6 (embedded in ./data)`. */
  readonly description: string
  /** Called once, with STORE_FAILED, when the engine has ended by itself; at once if it has already. */
  onFailure(listener: (error: LiveKVError) => void): void
  readonly stats: Readonly<EngineStats>
  /** Ends what is under way, checkpoints, and gives the directory free. */
  close(): Promise<void>
}

export async function openEmbedded(options: { dataDir: string; log: Logger }): Promise<EmbeddedDatabase> {
  const lock = lockDirectory(options.dataDir)
  try {
    checkVersion(options.dataDir)
  } catch (error) {
    lock.release()
    throw error
  }
  const database = new WorkerDatabase(options, () => lock.release())
  await database.opened
  return database
}

/** Ticks of a second rather than a clock: a process that was stopped must not blame the engine when it goes on. */
const WATCHDOG_TICK_MS = 1000
const UNANSWERED_TICKS_MAX = 60

interface Execution {
  stream: EmbeddedStream | undefined
  ticks: number
}

class WorkerDatabase implements EmbeddedDatabase {
  description = ''
  stats: EngineStats = {
    checkpoints: 0,
    lastCheckpointMs: 0,
    longestCheckpointMs: 0,
    walBytesSinceCheckpoint: 0,
  }
  readonly opened: Promise<void>

  readonly #worker: Worker
  readonly #log: Logger
  readonly #dataDir: string
  readonly #exited: Promise<void>
  readonly #watchdog: NodeJS.Timeout
  readonly #executions: Execution[] = []
  readonly #listeners: ((error: LiveKVError) => void)[] = []
  #stream: EmbeddedStream | undefined
  #failure: LiveKVError | undefined
  #ready = false
  #closed: Promise<void> | undefined
  #settleOpened!: (error?: LiveKVError) => void

  constructor(options: { dataDir: string; log: Logger }, release: () => void) {
    this.#log = options.log
    this.#dataDir = options.dataDir
    this.opened = new Promise((resolve, reject) => {
      this.#settleOpened = (error) => (error ? reject(error) : resolve())
    })
    const workerData: EngineStart = { dataDir: options.dataDir }
    this.#worker = new Worker(new URL('./embedded-worker.ts', import.meta.url), { workerData })
    this.#worker.on('message', (message: ToMain) => this.#receive(message))
    this.#worker.on('error', (error) => this.#fail(`its thread failed: ${error.message}`))
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        clearInterval(this.#watchdog)
        if (!this.#closed) this.#fail('its thread ended')
        release()
        resolve()
      })
    })
    this.#watchdog = setInterval(() => this.#watch(), WATCHDOG_TICK_MS).unref()
  }

  connect(): Duplex {
    this.#stream?.destroy(
      new LiveKVError('STORE_FAILED', 'Another session was opened on the embedded store.'),
    )
    const stream: EmbeddedStream = new EmbeddedStream({
      send: (messages) => this.#execute(stream, messages),
      end: () => {
        if (this.#stream === stream) this.#stream = undefined
        for (const execution of this.#executions)
          if (execution.stream === stream) execution.stream = undefined
      },
    })
    const closed = this.#closed && new LiveKVError('STORE_FAILED', 'The embedded store is closed.')
    const error = this.#failure ?? closed
    if (error) return stream.destroy(error)
    this.#stream = stream
    this.#post('reset')
    return stream
  }

  onFailure(listener: (error: LiveKVError) => void): void {
    if (this.#failure) listener(this.#failure)
    else this.#listeners.push(listener)
  }

  close(): Promise<void> {
    this.#closed ??= (async () => {
      this.#stream?.end()
      if (!this.#failure) this.#post('close')
      await this.#exited
    })()
    return this.#closed
  }

  #execute(stream: EmbeddedStream, messages: Uint8Array<ArrayBuffer>): void {
    this.#executions.push({ stream, ticks: 0 })
    this.#post(messages, [messages.buffer])
  }

  #post(message: ToEngine, transfer: ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, transfer)
  }

  #receive(message: ToMain): void {
    if (message instanceof Uint8Array) {
      const execution = this.#executions.shift()
      execution?.stream?.push(Buffer.from(message.buffer, message.byteOffset, message.byteLength))
      return
    }
    switch (message.type) {
      case 'ready':
        this.description = `PostgreSQL ${message.version} (embedded in ${this.#dataDir})`
        this.#ready = true
        this.#settleOpened()
        break
      case 'failed':
        this.#fail(message.message)
        break
      case 'stats':
        this.stats = message.stats
        break
      case 'maintenance': {
        const { statement, durationMs, walBytes } = message
        this.#log.debug(
          { statement, durationMs: Math.round(durationMs), walBytes },
          'embedded store maintained',
        )
      }
    }
  }

  #watch(): void {
    const execution = this.#executions[0]
    if (!execution || ++execution.ticks < UNANSWERED_TICKS_MAX) return
    this.#fail(`no answer for ${(UNANSWERED_TICKS_MAX * WATCHDOG_TICK_MS) / 1000} s`)
  }

  #fail(why: string): void {
    if (this.#failure) return
    const error = new LiveKVError(
      'STORE_FAILED',
      this.#ready
        ? `The embedded store in ${this.#dataDir} has ended: ${why}. See that the disk is sound and has room, then start again; everything acknowledged is kept.`
        : `The embedded store in ${this.#dataDir} did not start: ${why}. See that the disk is sound and has room.`,
    )
    this.#failure = error
    void this.#worker.terminate()
    this.#executions.length = 0
    this.#stream?.destroy(error)
    if (!this.#ready) {
      // Rejected after the directory is free, so that a caller may try again.
      void this.#exited.then(() => this.#settleOpened(error))
      return
    }
    this.#log.error(error.message)
    for (const listener of this.#listeners.splice(0)) listener(error)
  }
}
