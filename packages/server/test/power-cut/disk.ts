import fs from 'node:fs'
import path from 'node:path'
import type { JournalRecord } from './journal.ts'

/**
 * A disk as unkind as POSIX allows: contents are kept only from the file's last fsync, names only from their
 * directory's last fsync. `restore` writes what a power cut now would leave: that, and if `keep` says so some of
 * the rest (any sectors of unsynced writes; of a directory's unsynced changes the first few, as journals do).
 */
export class Disk {
  readonly #base: string
  readonly #files = new Map<string, { content: Buffer; pending: ContentChange[] }>()
  /** Changes to names since the base, in order, of each directory. */
  readonly #durableNames: NameChange[] = []
  readonly #pendingNames = new Map<string, NameChange[]>()

  constructor(base: string) {
    this.#base = base
  }

  apply(record: JournalRecord, payload: Buffer): void {
    switch (record.op) {
      case 'write':
        this.#file(record.id).pending.push({ position: record.position, data: payload })
        break
      case 'truncate':
        this.#file(record.id).pending.push({ size: record.size })
        break
      case 'sync': {
        const file = this.#file(record.id)
        file.content = changed(file.content, file.pending.splice(0))
        break
      }
      case 'create':
        this.#files.set(record.id, { content: Buffer.alloc(0), pending: [] })
        this.#rename(path.dirname(record.name), record)
        break
      case 'mkdir':
      case 'remove':
        this.#rename(path.dirname(record.name), record)
        break
      case 'rename':
        if (path.dirname(record.from) !== path.dirname(record.to))
          throw new Error('rename between directories')
        this.#rename(path.dirname(record.to), record)
        break
      case 'syncDirectory':
        this.#durableNames.push(...(this.#pendingNames.get(record.name) ?? []))
        this.#pendingNames.delete(record.name)
    }
  }

  restore(dir: string, keep?: () => boolean): void {
    fs.rmSync(dir, { recursive: true, force: true })
    fs.cpSync(this.#base, dir, { recursive: true })
    const names = [...this.#durableNames]
    if (keep)
      for (const changes of this.#pendingNames.values())
        for (const change of changes) {
          if (!keep()) break
          names.push(change)
        }
    // Contents are put in place after the names have settled: a file is known by its id, not by its name.
    const contents = new Map<string, string>()
    for (const change of names) rename(dir, change, contents)
    for (const id of this.#files.keys())
      if (id.startsWith('was:') && !contents.has(id)) {
        const name = id.slice('was:'.length)
        const taken = [...contents.values()].includes(name)
        if (!taken && fs.existsSync(path.join(dir, name))) contents.set(id, name)
      }
    for (const [id, name] of contents) {
      const file = this.#files.get(id)
      if (file) fs.writeFileSync(path.join(dir, name), keep ? withSome(file, keep) : file.content)
    }
  }

  #file(id: string): { content: Buffer; pending: ContentChange[] } {
    let file = this.#files.get(id)
    if (!file) {
      file = { content: fs.readFileSync(path.join(this.#base, id.slice('was:'.length))), pending: [] }
      this.#files.set(id, file)
    }
    return file
  }

  #rename(directory: string, change: NameChange): void {
    const changes = this.#pendingNames.get(directory)
    if (changes) changes.push(change)
    else this.#pendingNames.set(directory, [change])
  }
}

type NameChange = Extract<JournalRecord, { op: 'create' | 'mkdir' | 'remove' | 'rename' }>
type ContentChange = { position: number; data: Buffer } | { size: number }

function rename(dir: string, change: NameChange, contents: Map<string, string>): void {
  const drop = (name: string) => {
    for (const [id, at] of contents) if (at === name) contents.delete(id)
  }
  try {
    switch (change.op) {
      case 'mkdir':
        fs.mkdirSync(path.join(dir, change.name))
        break
      case 'create':
        fs.writeFileSync(path.join(dir, change.name), '')
        drop(change.name)
        contents.set(change.id, change.name)
        break
      case 'remove':
        fs.rmSync(path.join(dir, change.name), { recursive: true })
        drop(change.name)
        break
      case 'rename':
        fs.renameSync(path.join(dir, change.from), path.join(dir, change.to))
        drop(change.to)
        contents.set(change.id, change.to)
    }
  } catch (error) {
    // In a directory that was itself lost.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

const SECTOR_BYTES = 512

function withSome(file: { content: Buffer; pending: ContentChange[] }, keep: () => boolean): Buffer {
  const kept: ContentChange[] = []
  for (const change of file.pending) {
    if ('size' in change) {
      if (keep()) kept.push(change)
      continue
    }
    for (let at = 0; at < change.data.length; at += SECTOR_BYTES)
      if (keep())
        kept.push({ position: change.position + at, data: change.data.subarray(at, at + SECTOR_BYTES) })
  }
  return changed(file.content, kept)
}

function changed(content: Buffer, changes: ContentChange[]): Buffer {
  const ends = changes.map((change) =>
    'size' in change ? change.size : change.position + change.data.length,
  )
  const result = Buffer.alloc(ends.reduce((a, b) => Math.max(a, b), content.length))
  content.copy(result)
  let size = content.length
  for (const change of changes) {
    if ('size' in change) {
      if (change.size < size) result.fill(0, change.size, size)
      size = change.size
    } else {
      change.data.copy(result, change.position)
      size = Math.max(size, change.position + change.data.length)
    }
  }
  return result.subarray(0, size)
}
