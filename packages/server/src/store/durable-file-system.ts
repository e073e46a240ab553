import fs from 'node:fs'
import { NodeFS } from '@electric-sql/pglite/nodefs'
import { syncDirectory } from './data-directory.ts'

/**
 * PGlite's files on the real disk, with what it leaves out:
 * - fsync reaches the disk. Before a file is synced, the directories in which names were made or changed are, since
 *   PostgreSQL counts on that for new relation files and not every file system does it by itself.
 * - The first write or sync that fails ends the engine through `onFailure`, before PostgreSQL sees it: a throw
 *   inside fsync would leave it without ever answering again, and after a failed fsync nobody knows what is on disk.
 * - The position of the write-ahead log is noted as it is written.
 */
export class DurableFileSystem extends NodeFS {
  /** Highest byte of the write-ahead log written so far, as a log position. */
  walPosition = 0

  readonly #onFailure: (what: string, error: NodeJS.ErrnoException) => never
  readonly #unsyncedDirectories = new Set<string>()

  constructor(dir: string, onFailure: (what: string, error: NodeJS.ErrnoException) => never) {
    super(dir)
    this.#onFailure = onFailure
  }

  override async init(...args: Parameters<NodeFS['init']>): ReturnType<NodeFS['init']> {
    const result = await super.init(...args)
    result.emscriptenOpts.preRun ??= []
    result.emscriptenOpts.preRun.push((module) => {
      const engine = module as unknown as EngineModule
      this.#wrapStreams(engine.NODEFS)
      this.#wrapNames(engine.NODEFS)
    })
    return result
  }

  #wrapStreams(nodefs: NodeFileSystem): void {
    const operations = nodefs.stream_ops
    operations.fsync = (stream) => {
      if (stream.nfd == null) return 0
      try {
        if (this.#unsyncedDirectories.size > 0) this.#syncNames()
        // Segments of the log are made at their full size: times alone are not worth a write of the journal.
        if (stream.node.parent.name === WAL_DIRECTORY) fs.fdatasyncSync(stream.nfd)
        else fs.fsyncSync(stream.nfd)
      } catch (error) {
        this.#fail('fsync', nodefs.realPath(stream.node), error)
      }
      return 0
    }
    operations.write = (stream, buffer, offset, length, position) => {
      try {
        // A short write is the sign of a full disk; the rest then fails with the reason.
        let written = 0
        while (written < length)
          written += fs.writeSync(stream.nfd!, buffer, offset + written, length - written, position + written)
      } catch (error) {
        this.#fail('write', nodefs.realPath(stream.node), error)
      }
      if (stream.node.parent.name === WAL_DIRECTORY) {
        const end = walPosition(stream.node.name) + position + length
        if (end > this.walPosition) this.walPosition = end
      }
      return length
    }
  }

  /** Names come and go in these; PostgreSQL itself handles the ones that are missing or there already. */
  #wrapNames(nodefs: NodeFileSystem): void {
    const guarded = <A extends unknown[], R>(
      what: string,
      directories: (...args: A) => Node[],
      run: (...args: A) => R,
    ) => {
      return (...args: A): R => {
        const paths = directories(...args).map((node) => nodefs.realPath(node))
        try {
          const result = run(...args)
          for (const dir of paths) this.#unsyncedDirectories.add(dir)
          return result
        } catch (error) {
          // Emscripten has turned Node's error into a number of its own by now.
          const code = FATAL_ERRNO[(error as { errno?: number }).errno ?? -1]
          if (code !== undefined) this.#fail(what, paths[0]!, Object.assign(new Error(code), { code }))
          throw error
        }
      }
    }
    const names = nodefs.node_ops
    names.mknod = guarded('create', (parent) => [parent], names.mknod)
    names.rename = guarded('rename', (node, to) => [to, node.parent], names.rename)
    names.unlink = guarded('unlink', (parent) => [parent], names.unlink)
    names.symlink = guarded('symlink', (parent) => [parent], names.symlink)
  }

  #syncNames(): void {
    for (const dir of this.#unsyncedDirectories) if (fs.existsSync(dir)) syncDirectory(dir)
    this.#unsyncedDirectories.clear()
  }

  #fail(what: string, file: string, error: unknown): never {
    return this.#onFailure(`${what} of ${file}`, error as NodeJS.ErrnoException)
  }
}

/** WASI numbers of EDQUOT, EIO, ENOSPC and EROFS. */
const FATAL_ERRNO: Record<number, string> = { 19: 'EDQUOT', 29: 'EIO', 51: 'ENOSPC', 69: 'EROFS' }

const WAL_DIRECTORY = 'pg_wal'
const WAL_SEGMENT_BYTES = 16 * 1024 * 1024
const SEGMENTS_PER_LOG = 0x1_0000_0000 / WAL_SEGMENT_BYTES

/** Where a segment named by timeline, log and number begins; 0 for other files. */
function walPosition(name: string): number {
  if (name.length !== 24) return 0
  const log = Number.parseInt(name.slice(8, 16), 16)
  const segment = Number.parseInt(name.slice(16), 16)
  return (log * SEGMENTS_PER_LOG + segment) * WAL_SEGMENT_BYTES
}

interface Node {
  name: string
  parent: Node
}

interface Stream {
  node: Node
  nfd?: number
}

/** The part of Emscripten's NODEFS that is wrapped; it has no types of its own. */
interface NodeFileSystem {
  realPath(node: Node): string
  stream_ops: {
    fsync?: (stream: Stream) => number
    write: (stream: Stream, buffer: Uint8Array, offset: number, length: number, position: number) => number
  }
  node_ops: {
    mknod: (parent: Node, name: string, mode: number, device: number) => unknown
    rename: (node: Node, directory: Node, name: string) => void
    unlink: (parent: Node, name: string) => void
    symlink: (parent: Node, name: string, target: string) => void
  }
}

interface EngineModule {
  NODEFS: NodeFileSystem
}
