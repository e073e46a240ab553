import fs from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { LiveKVError } from '@livekv/protocol'

/**
 * The embedded store's directory:
 *   livekv.json   what made it; written whole before the cluster and again when the cluster is complete on disk
 *   livekv.lock   held locked by the process that uses the directory
 *   livekv.pid    that process, for the message to a second one
 *   postgres/     the cluster
 *
 * The lock is the operating system's own record lock, taken through SQLite because Node offers none by itself: it
 * is free of races, ends with the process however that ends, and holds across containers that share a volume,
 * where pids say nothing. Only the cluster is durable state; the lock files may vanish in a power cut.
 */

/** Raised when a release can no longer open what an older one wrote. */
const FORMAT = 1
/** Major version that our PGlite is. */
const POSTGRES = '18'

const MARKER = 'livekv.json'
const LOCK = 'livekv.lock'
const PID = 'livekv.pid'
const OWN = new Set([MARKER, `${MARKER}.new`, LOCK, `${LOCK}-journal`, PID])

export interface Marker {
  format: number
  /** Major version of PostgreSQL, as in its own PG_VERSION. */
  postgres: string
  /** False while the cluster is being made: what is there then is thrown away. */
  complete: boolean
}

export interface DirectoryLock {
  release(): void
}

export const clusterDir = (dataDir: string): string => path.join(dataDir, 'postgres')

/** Makes the directory if need be and locks it for this process; refuses when another use of it is alive. */
export function lockDirectory(dataDir: string): DirectoryLock {
  try {
    fs.mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    refuseForeign(dataDir)
  } catch (error) {
    if (error instanceof LiveKVError) throw error
    throw new LiveKVError(
      'STORE_FAILED',
      `The data directory ${dataDir} cannot be used: ${(error as Error).message}. Make it writable for this user, or set DATA_DIR to another.`,
      {},
      error,
    )
  }
  const lock = takeLock(dataDir)
  const pidFile = path.join(dataDir, PID)
  fs.writeFileSync(pidFile, `${process.pid}\n`)
  return {
    release: () => {
      if (!lock.isOpen) return
      fs.rmSync(pidFile, { force: true })
      lock.close()
    },
  }
}

function takeLock(dataDir: string): DatabaseSync {
  let lock: DatabaseSync | undefined
  try {
    lock = new DatabaseSync(path.join(dataDir, LOCK), { timeout: 0 })
    lock.exec('PRAGMA journal_mode = MEMORY')
    lock.exec('BEGIN EXCLUSIVE')
    return lock
  } catch (error) {
    lock?.close()
    const SQLITE_BUSY = 5
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY)
      throw new LiveKVError(
        'STORE_FAILED',
        `The data directory ${dataDir} is in use by process ${holder(dataDir)}. Stop that process, or set DATA_DIR to another directory.`,
      )
    throw new LiveKVError(
      'STORE_FAILED',
      `The data directory ${dataDir} cannot be locked: ${(error as Error).message}. Make it writable for this user, or set DATA_DIR to another.`,
      {},
      error,
    )
  }
}

function holder(dataDir: string): string {
  try {
    return fs.readFileSync(path.join(dataDir, PID), 'utf8').trim() || 'unknown'
  } catch {
    return 'unknown'
  }
}

/**
 * A directory with files that are not ours is left alone, hidden ones and a volume's `lost+found` aside. Ours is also a
 * data directory within it: the demo's `data/demo`.
 */
function refuseForeign(dataDir: string): void {
  const names = fs.readdirSync(dataDir)
  if (names.includes(MARKER)) return
  const isOurs = (name: string) =>
    OWN.has(name) ||
    name.startsWith('.') ||
    name === 'lost+found' ||
    fs.existsSync(path.join(dataDir, name, MARKER))
  const foreign = names.find((name) => !isOurs(name))
  if (foreign !== undefined)
    throw new LiveKVError(
      'STORE_FAILED',
      `The data directory ${dataDir} holds "${foreign.slice(0, 80)}" and was not made by LiveKV. Set DATA_DIR to a new or empty directory.`,
    )
}

/** What made the directory; undefined for a new one, and for one whose making was cut short. */
export function readMarker(dataDir: string): Marker | undefined {
  const file = path.join(dataDir, MARKER)
  let text: string
  try {
    text = fs.readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  let marker: Marker
  try {
    marker = JSON.parse(text)
  } catch (error) {
    throw new LiveKVError(
      'STORE_FAILED',
      `${file} is damaged: ${text.slice(0, 80)}. Restore the data directory from a backup.`,
      {},
      error,
    )
  }
  return marker.complete === true ? marker : undefined
}

/** Refuses a directory of another version: an engine that opened it would destroy it or not start. */
export function checkVersion(dataDir: string): void {
  const marker = readMarker(dataDir)
  if (!marker) return
  const cluster = fs.readFileSync(path.join(clusterDir(dataDir), 'PG_VERSION'), 'utf8').trim()
  if (marker.format === FORMAT && marker.postgres === POSTGRES && cluster === POSTGRES) return
  throw new LiveKVError(
    'STORE_FAILED',
    `The data directory ${dataDir} was made by another version (format ${marker.format}, PostgreSQL ${cluster}; this one is format ${FORMAT}, PostgreSQL ${POSTGRES}). Run the version that made it, \`livekv export\` there and \`livekv import\` here, or set DATA_DIR to a new directory.`,
  )
}

/** Durable when it returns. */
export function writeMarker(dataDir: string, complete: boolean): void {
  const marker: Marker = { format: FORMAT, postgres: POSTGRES, complete }
  const file = path.join(dataDir, MARKER)
  const fd = fs.openSync(`${file}.new`, 'w', 0o600)
  try {
    fs.writeSync(fd, `${JSON.stringify(marker)}\n`)
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
  fs.renameSync(`${file}.new`, file)
  syncDirectory(dataDir)
}

/** On systems that cannot fsync a directory (Windows) names are made durable by the file system itself. */
export function syncDirectory(dir: string): void {
  if (process.platform === 'win32') return
  const fd = fs.openSync(dir, 'r')
  try {
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
}

/** Everything below and the directory itself: for files that were written without fsync. */
export function syncTree(dir: string): void {
  for (const entry of fs.readdirSync(dir, { withFileTypes: true })) {
    const name = path.join(dir, entry.name)
    if (entry.isDirectory()) syncTree(name)
    else if (entry.isFile()) {
      const fd = fs.openSync(name, 'r')
      try {
        fs.fsyncSync(fd)
      } finally {
        fs.closeSync(fd)
      }
    }
  }
  syncDirectory(dir)
}
