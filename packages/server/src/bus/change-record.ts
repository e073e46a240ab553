/**
 * A change as a record of the topic, made for other programs to read too:
 *
 *   key       the entry's key
 *   value     {"key":…,"revision":…,"at":…,"time":…,"expiresAt":…,"op":"put","value":…} or {…,"op":"delete"}, times
 *             in ISO 8601
 *   headers   revision, store (its id) and instance (which published it)
 *
 * `expiresAt` is null if the entry does not expire, and missing where that is not known: in what was published again
 * from the log, an increment that kept its expiry, and records of versions that did not tell it. Readers ignore members
 * they do not know, so that versions can be mixed.
 *
 * The value's JSON text is that of the writer, digit for digit, and stands last, so that it is found again without
 * parsing what is around it.
 */
import { isoTime } from '../http/answer.ts'
import type { Change } from '../store/store.ts'

export interface ChangeRecord {
  key: Buffer
  value: Buffer
  headers: Map<Buffer, Buffer>
}

export interface RecordOrigin {
  storeId: string
  instance: string
}

const REVISION = Buffer.from('revision')
const STORE = Buffer.from('store')
const INSTANCE = Buffer.from('instance')
const PUT = ',"op":"put","value":'

export function recordOf(change: Change, { storeId, instance }: RecordOrigin): ChangeRecord {
  const { key, revision, at, time, json, expiresAt } = change
  const what = json === null ? ',"op":"delete"' : `${PUT}${json}`
  const expiry =
    expiresAt === undefined ? '' : `,"expiresAt":${expiresAt === null ? null : `"${isoTime(expiresAt)}"`}`
  return {
    key: Buffer.from(key),
    value: Buffer.from(
      `{"key":${JSON.stringify(key)},"revision":${revision},"at":"${isoTime(at)}","time":"${isoTime(time)}"${expiry}${what}}`,
    ),
    headers: new Map([
      [REVISION, Buffer.from(String(revision))],
      [STORE, Buffer.from(storeId)],
      [INSTANCE, Buffer.from(instance)],
    ]),
  }
}

/** What the headers say; null: no record of ours. */
export function originOf(headers: ReadonlyMap<Buffer, Buffer>): (RecordOrigin & { revision: number }) | null {
  const texts = new Map<string, string>()
  for (const [name, value] of headers) texts.set(String(name), String(value))
  const revision = Number(texts.get('revision'))
  const storeId = texts.get('store')
  if (storeId === undefined || !Number.isSafeInteger(revision) || revision < 1) return null
  return { storeId, instance: texts.get('instance') ?? '', revision }
}

/** Throws when the value is not what `recordOf` makes. */
export function changeOf(value: Buffer): Change {
  const text = value.toString()
  // A key cannot look like it: its quotes are escaped.
  const split = text.indexOf(PUT)
  const json = split < 0 ? null : text.slice(split + PUT.length, -1)
  // What is passed on as text must be one JSON value, or it would break the events it is put into.
  if (json !== null) JSON.parse(json)
  const { key, revision, at, time, expiresAt, op } = JSON.parse(
    split < 0 ? text : `${text.slice(0, split)},"op":"put"}`,
  )
  const change: Change = { key, revision, at: Date.parse(at), time: Date.parse(time), json }
  if (expiresAt !== undefined) change.expiresAt = expiresAt === null ? null : Date.parse(expiresAt)
  const isWhole =
    typeof key === 'string' &&
    Number.isSafeInteger(revision) &&
    Number.isFinite(change.at) &&
    Number.isFinite(change.time) &&
    Number.isFinite(change.expiresAt ?? 0) &&
    op === (json === null ? 'delete' : 'put')
  if (!isWhole) throw new Error('a member of the change is missing or of the wrong type')
  return change
}
