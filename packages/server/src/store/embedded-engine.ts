import fs from 'node:fs'
import { PGlite } from '@electric-sql/pglite'
import { clusterDir, readMarker, syncTree, writeMarker } from './data-directory.ts'
import { DurableFileSystem } from './durable-file-system.ts'
import { Maintenance } from './embedded-maintenance.ts'
import type { EngineStats, ToMain } from './embedded-messages.ts'
import { type BackendRows, parseRows, simpleQuery, syncMessage } from './wire.ts'

export interface EngineEvents {
  post: (message: ToMain) => void
  fail: (what: string, error: NodeJS.ErrnoException) => never
}

/**
 * Checkpoints are ours to call: there is no checkpointer beside a single session. The log between two of them is
 * what a start after a crash replays. After each one every page is logged whole at its first change, which for
 * random keys among a million doubles the cost of a row until the pages have had their turn: 50 MB of log.
 */
const CHECKPOINT_AFTER_WAL_BYTES = 256 * 1024 * 1024
/** In a quiet spell sooner, so that the next start has little to replay. */
const CHECKPOINT_WHEN_QUIET_WAL_BYTES = 8 * 1024 * 1024
/** Quiet is so many looks in a row that found the log grown by less than this; reads alone are no reason to wait. */
const QUIET_LOOKS = 3
const QUIET_WAL_BYTES = 256 * 1024

const SETTINGS = {
  fsync: 'on',
  // Emscripten's fdatasync, the default here, does nothing.
  wal_sync_method: 'fsync',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  // A million entries with their index fit; with half of it a random read took half as long again.
  shared_buffers: '256MB',
  // Random keys among a million: 1.1 KB of log a row in place of 6.2, for the same processor time.
  wal_compression: 'pglz',
  // Keeps that many used segments for reuse: making one costs 16 MB of zeros and a sync.
  min_wal_size: '256MB',
  max_wal_size: '1GB',
  autovacuum: 'off',
  // At the default of 100 an ANALYZE stopped writes for 300 ms and more.
  default_statistics_target: '5',
  jit: 'off',
}

/** PostgreSQL as a library, one session, run statement by statement. */
export class EmbeddedEngine {
  readonly #database: PGlite
  readonly #files: DurableFileSystem
  readonly #events: EngineEvents
  readonly #maintenance: Maintenance
  #checkpointPosition: number
  #quietLooks = 0
  #lookedAtPosition = 0
  readonly #stats: EngineStats = {
    checkpoints: 0,
    lastCheckpointMs: 0,
    longestCheckpointMs: 0,
    walBytesSinceCheckpoint: 0,
  }

  private constructor(database: PGlite, files: DurableFileSystem, events: EngineEvents) {
    this.#database = database
    this.#files = files
    this.#events = events
    this.#maintenance = new Maintenance((sql) => this.query(sql))
    this.#checkpointPosition = files.walPosition
  }

  static async open(dataDir: string, events: EngineEvents): Promise<EmbeddedEngine> {
    const marker = readMarker(dataDir)
    const dir = clusterDir(dataDir)
    if (!marker) {
      fs.rmSync(dir, { recursive: true, force: true })
      writeMarker(dataDir, false)
    }
    const files = new DurableFileSystem(dir, events.fail)
    const lastWords: string[] = []
    const database = await PGlite.create({
      fs: files,
      startParams: [
        ...PGlite.defaultStartParams.filter((parameter) => parameter !== '-F'),
        ...Object.entries(SETTINGS).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
      ],
      onStderr: (text) => {
        if (lastWords.push(text) > 5) lastWords.shift()
        // Nothing lives on after these, but the engine's main loop would go on calling it.
        if (/\bPANIC:/.test(text)) events.fail('PostgreSQL', new Error(text.slice(0, 300)))
        return false
      },
    }).catch((error) => {
      throw new Error(`${(error as Error).message}: ${lastWords.join(' ').slice(0, 500)}`, { cause: error })
    })
    if (!marker) {
      // The first files are made without fsync, by a cluster in memory.
      syncTree(dir)
      writeMarker(dataDir, true)
    }
    const engine = new EmbeddedEngine(database, files, events)
    // What a crash left to replay has been replayed; the next start shall not do it again.
    engine.checkpoint()
    events.post({ type: 'ready', version: String(engine.query('show server_version').rows[0]?.[0]) })
    return engine
  }

  /** The answer in the protocol's bytes, in a buffer of its own. */
  execute(message: Uint8Array): Uint8Array<ArrayBuffer> {
    const chunks: Uint8Array<ArrayBuffer>[] = []
    let length = 0
    // Runs at once: the promise it returns has nothing left to do.
    void this.#database.execProtocolRawStream(message, {
      syncToFs: false,
      onRawData: (bytes) => {
        // The engine's own memory, which the next statement overwrites.
        chunks.push(bytes.slice())
        length += bytes.length
      },
    })
    if (chunks.length === 1) return chunks[0]!
    const answer = new Uint8Array(length)
    let at = 0
    for (const chunk of chunks) {
      answer.set(chunk, at)
      at += chunk.length
    }
    return answer
  }

  query(sql: string): BackendRows {
    return parseRows(this.execute(simpleQuery(sql)))
  }

  reset(): void {
    // Ends a pipeline that its client left half-way.
    this.execute(syncMessage)
    if (this.#database.isInTransaction()) this.query('rollback')
    this.query('discard all')
  }

  afterStatement(): void {
    if (this.#walBytes() >= CHECKPOINT_AFTER_WAL_BYTES && !this.#database.isInTransaction()) this.checkpoint()
  }

  /** Called about once a second, between statements. */
  whenIdle(): void {
    const position = this.#files.walPosition
    this.#quietLooks = position - this.#lookedAtPosition < QUIET_WAL_BYTES ? this.#quietLooks + 1 : 0
    this.#lookedAtPosition = position
    if (this.#database.isInTransaction()) return
    const quiet = this.#quietLooks >= QUIET_LOOKS
    if (quiet && this.#walBytes() >= CHECKPOINT_WHEN_QUIET_WAL_BYTES) this.checkpoint()
    const done = this.#maintenance.step(quiet)
    if (done) this.#events.post({ type: 'maintenance', ...done, walBytes: this.#walBytes() })
    if (this.#walBytes() !== this.#stats.walBytesSinceCheckpoint) this.#report()
  }

  checkpoint(): void {
    const startedAt = performance.now()
    this.query('checkpoint')
    const stats = this.#stats
    stats.checkpoints++
    stats.lastCheckpointMs = performance.now() - startedAt
    stats.longestCheckpointMs = Math.max(stats.longestCheckpointMs, stats.lastCheckpointMs)
    const walBytes = this.#walBytes()
    this.#checkpointPosition = this.#files.walPosition
    this.#events.post({
      type: 'maintenance',
      statement: 'checkpoint',
      durationMs: stats.lastCheckpointMs,
      walBytes,
    })
    this.#report()
  }

  close(): void {
    if (this.#database.isInTransaction()) this.query('rollback')
    this.checkpoint()
  }

  #walBytes(): number {
    return this.#files.walPosition - this.#checkpointPosition
  }

  #report(): void {
    this.#stats.walBytesSinceCheckpoint = this.#walBytes()
    this.#events.post({ type: 'stats', stats: this.#stats })
  }
}
