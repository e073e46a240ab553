import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { oneLine } from './raw-json.ts'

const CHUNK_CHARS = 64 * 1024

/** Every item as a line on standard output, no faster than it is read there. */
export async function writeLines<T>(items: AsyncIterable<T>, format: (item: T) => string): Promise<void> {
  await writeStdout(chunks(items, format))
}

async function* chunks<T>(items: AsyncIterable<T>, format: (item: T) => string): AsyncGenerator<string> {
  let chunk = ''
  for await (const item of items) {
    chunk += `${oneLine(format(item))}\n`
    if (chunk.length < CHUNK_CHARS) continue
    yield chunk
    chunk = ''
  }
  if (chunk !== '') yield chunk
}

export async function writeStdout(text: AsyncIterable<string>): Promise<void> {
  await pipeline(Readable.from(text), process.stdout, { end: false })
}

/** The file appears under its name only when it is complete. */
export async function writeFileWhole(path: string, text: AsyncIterable<string>): Promise<void> {
  const partial = `${path}.part`
  try {
    await pipeline(Readable.from(text), createWriteStream(partial, { flush: true }))
    await rename(partial, path)
  } catch (error) {
    await rm(partial, { force: true })
    throw error
  }
}
