/**
 * The body of a write, as text: content type checked, at most `maxBytes` after decompression, valid UTF-8, valid
 * JSON, an object. The text is kept because values are stored as they were written (raw-json.ts).
 */
import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import { LiveKVError } from '@livekv/protocol'
import { brokenAt } from './json-position.ts'
import { skipSpace } from './raw-json.ts'
import { shown } from './shown.ts'

export interface JsonBody {
  text: string
  /** Index of the opening brace. */
  start: number
  object: Readonly<Record<string, unknown>>
}

/** The client went away before its request was complete: nobody is left to be answered. */
export class RequestAborted extends Error {
  override readonly name = 'RequestAborted'
}

/** A refused body is read to its end, so that the client gets to read the answer, but not beyond this. */
const MAX_DRAINED_BYTES = 64 * 2 ** 20

export async function readJsonObject(request: IncomingMessage, maxBytes: number): Promise<JsonBody> {
  checkContentType(request)
  const bytes = await readBytes(request, maxBytes)
  if (!isUtf8(bytes)) throw new LiveKVError('INVALID_JSON', 'The body is not valid UTF-8.')
  return parseObject(bytes.toString())
}

export function parseObject(text: string): JsonBody {
  let object: unknown
  try {
    object = JSON.parse(text)
  } catch {
    if (text.trim() === '') throw new LiveKVError('INVALID_JSON', 'The body is empty: send a JSON object.')
    const position = brokenAt(text)
    const lines = text.slice(0, position).split('\n')
    const where = `position ${position} (line ${lines.length}, column ${lines.at(-1)!.length + 1})`
    const what =
      position >= text.length ? 'it ends too early' : `at ${shown(text.slice(position, position + 20))}`
    throw new LiveKVError('INVALID_JSON', `The body is not valid JSON at ${where}: ${what}.`, { position })
  }
  if (typeof object !== 'object' || object === null || Array.isArray(object)) {
    throw new LiveKVError('INVALID_REQUEST', `The body must be a JSON object, not ${shown(text)}.`)
  }
  return { text, start: skipSpace(text, 0), object: object as Record<string, unknown> }
}

function checkContentType(request: IncomingMessage): void {
  const type = request.headers['content-type']
  if (type === 'application/json') return
  if (type === undefined) {
    throw new LiveKVError('UNSUPPORTED_MEDIA_TYPE', 'Send the header Content-Type: application/json.')
  }
  const [name, ...parameters] = type.toLowerCase().split(';')
  const isUtf8Json =
    name!.trim() === 'application/json' &&
    parameters.every(
      (parameter) => !/^\s*charset\s*=/.test(parameter) || /=\s*"?utf-?8"?\s*$/.test(parameter),
    )
  if (!isUtf8Json) {
    throw new LiveKVError(
      'UNSUPPORTED_MEDIA_TYPE',
      `Content-Type ${shown(type)} is not taken: send application/json in UTF-8.`,
    )
  }
}

function readBytes(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const tooLarge = () =>
    new LiveKVError('BODY_TOO_LARGE', `The body is larger than ${maxBytes} bytes (MAX_BODY_BYTES): split it.`)
  const encoding = request.headers['content-encoding']?.toLowerCase() ?? 'identity'
  const source = decompress(request, encoding)
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const refuse = (error: Error) => {
      reject(error)
      drain(request)
    }
    if (encoding === 'identity' && Number(request.headers['content-length']) > maxBytes) {
      refuse(tooLarge())
      return
    }
    const onData = (chunk: Buffer) => {
      size += chunk.length
      if (size > maxBytes) {
        source.off('data', onData)
        if (source !== request) {
          request.unpipe()
          source.destroy()
        }
        refuse(tooLarge())
      } else {
        chunks.push(chunk)
      }
    }
    source.on('data', onData)
    source.once('end', () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)))
    if (source !== request) {
      source.once('error', () => {
        request.unpipe()
        refuse(new LiveKVError('INVALID_JSON', `The body is not what Content-Encoding: ${encoding} says.`))
      })
    }
    const onGone = () => {
      if (!request.complete) reject(new RequestAborted('the client hung up before its body was complete'))
    }
    request.once('error', onGone)
    request.once('close', onGone)
  })
}

function decompress(request: IncomingMessage, encoding: string): Readable {
  if (encoding === 'identity') return request
  if (encoding === 'gzip' || encoding === 'x-gzip') return request.pipe(createGunzip())
  if (encoding === 'deflate') return request.pipe(createInflate())
  if (encoding === 'br') return request.pipe(createBrotliDecompress())
  throw new LiveKVError(
    'UNSUPPORTED_MEDIA_TYPE',
    `Content-Encoding ${shown(encoding)} is not taken: send gzip, deflate, br or none.`,
  )
}

function drain(request: IncomingMessage): void {
  let drained = 0
  request.on('data', (chunk: Buffer) => {
    drained += chunk.length
    if (drained > MAX_DRAINED_BYTES) request.destroy()
  })
  request.resume()
}
