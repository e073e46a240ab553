import fs from 'node:fs'
import path from 'node:path'
import { isMainThread } from 'node:worker_threads'
import { appendRecord } from './journal.ts'

/**
 * Preloaded (`--import`) into a process that runs the embedded store: notes everything its engine's thread does to
 * files in POWER_CUT_DIR, in order, in the journal POWER_CUT_JOURNAL. With POWER_CUT_NO_FSYNC nothing is synced.
 */
const root = process.env.POWER_CUT_DIR!
const journal = process.env.POWER_CUT_JOURNAL!
const withoutFsync = process.env.POWER_CUT_NO_FSYNC !== undefined

if (!isMainThread) record()

function record(): void {
  const real = { ...fs }
  const fd = real.openSync(journal, 'a')
  const note = (record: Parameters<typeof appendRecord>[1], payload?: Uint8Array) =>
    appendRecord((bytes) => real.writeSync(fd, bytes), record, payload)

  // A file keeps its id through renames; one that was there before is known by its first name.
  const ids = new Map<string, string>()
  const open = new Map<number, { id: string; directory: string | undefined }>()
  let made = 0
  const relative = (name: fs.PathLike) => {
    const inside = path.relative(root, path.resolve(String(name)))
    return inside.startsWith('..') ? undefined : inside
  }
  const idOf = (name: string) => {
    const id = ids.get(name) ?? `was:${name}`
    ids.set(name, id)
    return id
  }
  const create = (name: string) => {
    const id = `new:${made++}`
    ids.set(name, id)
    note({ op: 'create', name, id })
  }

  fs.openSync = ((file, flags, mode) => {
    const name = relative(file)
    const existed = name === undefined || real.existsSync(file)
    const handle = real.openSync(file, flags as fs.OpenMode, mode)
    if (name === undefined) return handle
    if (!existed) create(name)
    const truncates =
      typeof flags === 'string' ? flags.startsWith('w') : (Number(flags) & fs.constants.O_TRUNC) !== 0
    if (existed && truncates) note({ op: 'truncate', id: idOf(name), size: 0 })
    const isDirectory = real.fstatSync(handle).isDirectory()
    open.set(handle, { id: isDirectory ? '' : idOf(name), directory: isDirectory ? name : undefined })
    return handle
  }) as typeof fs.openSync
  fs.closeSync = (handle) => {
    open.delete(handle)
    real.closeSync(handle)
  }
  fs.writeSync = ((
    handle: number,
    data: Uint8Array | string,
    offset: number,
    length: number,
    position: number,
  ) => {
    const file = open.get(handle)
    if (!file) return real.writeSync(handle, data as Uint8Array, offset, length, position)
    if (typeof data === 'string') {
      note({ op: 'write', id: file.id, position: 0 }, Buffer.from(data))
      return real.writeSync(handle, data)
    }
    const written = real.writeSync(handle, data, offset, length, position)
    // The engine's memory comes as signed bytes.
    note(
      { op: 'write', id: file.id, position },
      new Uint8Array(data.buffer, data.byteOffset + offset, written),
    )
    return written
  }) as typeof fs.writeSync
  const synced = (sync: (handle: number) => void) => (handle: number) => {
    if (withoutFsync) return
    sync(handle)
    const file = open.get(handle)
    if (file?.directory !== undefined) note({ op: 'syncDirectory', name: file.directory })
    else if (file) note({ op: 'sync', id: file.id })
  }
  fs.fsyncSync = synced(real.fsyncSync)
  fs.fdatasyncSync = synced(real.fdatasyncSync)
  fs.ftruncateSync = (handle, size) => {
    real.ftruncateSync(handle, size)
    const file = open.get(handle)
    if (file) note({ op: 'truncate', id: file.id, size: size ?? 0 })
  }
  fs.truncateSync = (file, size) => {
    real.truncateSync(file, size)
    const name = relative(file)
    if (name !== undefined) note({ op: 'truncate', id: idOf(name), size: size ?? 0 })
  }
  fs.writeFileSync = ((file: string, data: string, options: fs.WriteFileOptions) => {
    real.writeFileSync(file, data, options)
    const name = relative(file)
    if (name === undefined) return
    if (data.length > 0) throw new Error(`writeFileSync of ${file} is not recorded`)
    create(name)
  }) as typeof fs.writeFileSync
  fs.renameSync = (from, to) => {
    real.renameSync(from, to)
    const [a, b] = [relative(from), relative(to)]
    if (a === undefined || b === undefined) return
    const id = idOf(a)
    ids.delete(a)
    ids.set(b, id)
    note({ op: 'rename', from: a, to: b, id })
  }
  fs.unlinkSync = (file) => {
    real.unlinkSync(file)
    const name = relative(file)
    if (name === undefined) return
    ids.delete(name)
    note({ op: 'remove', name })
  }
  fs.mkdirSync = ((file: string, options: fs.MakeDirectoryOptions) => {
    const result = real.mkdirSync(file, options)
    const name = relative(file)
    if (name !== undefined) note({ op: 'mkdir', name })
    return result
  }) as typeof fs.mkdirSync
  fs.rmdirSync = ((file: string) => {
    real.rmdirSync(file)
    const name = relative(file)
    if (name !== undefined) note({ op: 'remove', name })
  }) as typeof fs.rmdirSync
}
