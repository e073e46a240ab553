/** From a write as it is asked for to what the store takes, and from the store's result to the answer. */
import { LiveKVError } from '@livekv/protocol'
import type { CommitResult, Write } from '../store/store.ts'
import { isoTime } from './answer.ts'
import type { JsonBody } from './body.ts'
import { checkFields } from './fields.ts'
import { checkValue, memberText } from './raw-json.ts'
import { shown } from './shown.ts'
import { parseWriteTime } from './time.ts'

const FIELDS: Record<Write['op'], readonly string[]> = {
  put: ['value', 'ttlMs', 'time', 'ifRevision', 'ifAbsent', 'skipUnchanged', 'idempotencyKey'],
  delete: ['time', 'ifRevision', 'idempotencyKey'],
  increment: ['by', 'ttlMs', 'time', 'ifRevision', 'ifAbsent', 'idempotencyKey'],
  touch: ['ttlMs', 'time', 'ifRevision', 'idempotencyKey'],
}

/** A hundred years: past it `ttlMs` is a mistake in the unit. */
const MAX_TTL_MS = 100 * 365 * 86_400_000

export function checkedValue(json: string, maxBytes: number): string {
  if (json.length * 3 > maxBytes && Buffer.byteLength(json) > maxBytes) {
    throw new LiveKVError(
      'VALUE_TOO_LARGE',
      `The value has ${Buffer.byteLength(json)} bytes as JSON: at most ${maxBytes} are allowed (MAX_VALUE_BYTES).`,
    )
  }
  checkValue(json)
  return json
}

/** The fields of a write in a JSON object; `also` are members that were read elsewhere (`key`, `op`). */
export function parseWrite(
  op: Write['op'],
  key: string,
  { text, start, object }: JsonBody,
  maxValueBytes: number,
  also: readonly string[] = [],
): Write {
  checkFields(`a ${op}`, object, [...also, ...FIELDS[op]])
  const base = {
    key,
    ...(object.time !== undefined && { time: parseWriteTime(object.time) }),
    ...conditionOf(object),
    ...(object.idempotencyKey !== undefined && {
      idempotencyKey: checkIdempotencyKey(object.idempotencyKey),
    }),
  }
  const ttl = object.ttlMs === undefined ? {} : { ttlMs: checkInteger('ttlMs', object.ttlMs, 1, MAX_TTL_MS) }
  switch (op) {
    case 'put': {
      const json = memberText(text, start, 'value')
      if (json === undefined) {
        throw new LiveKVError(
          'INVALID_REQUEST',
          'The field value is missing: send any JSON value, null included.',
        )
      }
      const skip = checkBoolean('skipUnchanged', object.skipUnchanged) ? { skipUnchanged: true } : {}
      return { op, ...base, json: checkedValue(json, maxValueBytes), ...ttl, ...skip }
    }
    case 'delete':
      return { op, ...base }
    case 'increment': {
      const by = memberText(text, start, 'by') ?? '1'
      if (object.by !== undefined && typeof object.by !== 'number') {
        throw new LiveKVError('INVALID_REQUEST', `by ${shown(object.by)} must be a JSON number.`)
      }
      checkValue(by)
      return { op, ...base, by, ...ttl }
    }
    case 'touch':
      return { op, ...base, ...ttl }
  }
}

function conditionOf(object: JsonBody['object']): { ifRevision?: number } {
  const absent = checkBoolean('ifAbsent', object.ifAbsent)
  if (object.ifRevision === undefined) return absent ? { ifRevision: 0 } : {}
  if (absent) throw new LiveKVError('INVALID_REQUEST', 'Give ifRevision or ifAbsent, not both.')
  return { ifRevision: checkInteger('ifRevision', object.ifRevision, 0, Number.MAX_SAFE_INTEGER) }
}

function checkBoolean(name: string, value: unknown): boolean {
  if (value === undefined || typeof value === 'boolean') return value ?? false
  throw new LiveKVError('INVALID_REQUEST', `${name} ${shown(value)} must be true or false.`)
}

function checkInteger(name: string, value: unknown, min: number, max: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
  throw new LiveKVError(
    'INVALID_REQUEST',
    `${name} ${shown(value)} must be a whole number from ${min} to ${max}.`,
  )
}

export function checkIdempotencyKey(value: unknown): string {
  if (typeof value === 'string' && /^[\x20-\x7e]{1,200}$/.test(value)) return value
  throw new LiveKVError(
    'INVALID_REQUEST',
    `The idempotency key ${shown(value)} must be 1 to 200 printable ASCII characters, such as a UUID.`,
  )
}

type Done = Extract<CommitResult, { status: 'applied' | 'unchanged' }>

/** What was done and the revision the key has after it; a refused write is thrown as the client is to see it. */
export function resultOrThrow(write: Write, result: CommitResult): { done: Done; revision: number } {
  switch (result.status) {
    case 'applied':
      return { done: result, revision: result.change.revision }
    case 'unchanged':
      return { done: result, revision: result.revision }
    case 'conflict':
      throw conflict(write.key, result.revision)
    case 'failed':
      throw new LiveKVError(result.code, result.message)
  }
}

export function conflict(key: string, revision: number): LiveKVError {
  const state = revision === 0 ? 'has no value' : `is at revision ${revision}`
  return new LiveKVError(
    'REVISION_CONFLICT',
    `The condition does not hold: the key ${shown(key)} ${state} now. Read it and decide again.`,
    { revision },
  )
}

/** The answer's members, without the braces. */
export function doneText(write: Write, done: Done): string {
  const repeated = done.repeated ? ',"repeated":true' : ''
  const what = `"status":"${done.status}","key":${JSON.stringify(write.key)},"op":"${write.op}"`
  if (done.status === 'unchanged') return `${what},"applied":false,"revision":${done.revision}${repeated}`
  const { change } = done
  const value = write.op === 'increment' ? `,"value":${change.json}` : ''
  const expiry = change.expiresAt ? `,"expiresAt":"${isoTime(change.expiresAt)}"` : ''
  return `${what},"applied":true,"revision":${change.revision},"at":"${isoTime(change.at)}","time":"${isoTime(change.time)}"${value}${expiry}${repeated}`
}
