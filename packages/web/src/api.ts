import { elementTexts, memberText } from './json-text.ts'

/** A key's state as the pages hold it; `json` is the value's text as written, null when the key has no value. */
export interface KeyState {
  json: string | null
  revision: number
  /** When it was committed, and the source's own time of the value; ms since the epoch. */
  at: number
  time: number
}

export class ApiError extends Error {
  readonly status: number
  readonly code: string
  readonly body: Record<string, unknown>
  constructor(status: number, code: string, message: string, body: Record<string, unknown> = {}) {
    super(message)
    this.status = status
    this.code = code
    this.body = body
  }
}

/** Server's clock minus this device's; under 2 s it is taken for the resolution of the Date header. */
let clockOffsetMs = 0

export const serverNow = (): number => Date.now() + clockOffsetMs

const entryUrl = (key: string) => `/api/v1/entries?key=${encodeURIComponent(key)}`

/**
 * Keys without a value have `json: null` and the revision that `held` gives for them: one of the key that is known
 * to exist, since the answer does not tell the delete's own.
 */
export async function getEntries(
  keys: string[],
  held: (key: string) => number,
): Promise<Map<string, KeyState>> {
  const revisions = new Map(keys.map((key) => [key, held(key)]))
  const text = await call('POST', '/api/v1/entries/get', JSON.stringify({ keys }))
  const states = entryStates(text)
  for (const key of JSON.parse(memberText(text, 'missing') ?? '[]')) {
    states.set(key, { json: null, revision: revisions.get(key) ?? 0, at: Number.NaN, time: Number.NaN })
  }
  return states
}

/** The first entries in the order of their keys. */
export async function listEntries(limit: number): Promise<Map<string, KeyState>> {
  return entryStates(await call('GET', `/api/v1/entries?limit=${limit}`))
}

function entryStates(text: string): Map<string, KeyState> {
  const states = new Map<string, KeyState>()
  for (const element of elementTexts(memberText(text, 'entries') ?? '[]')) {
    states.set(JSON.parse(memberText(element, 'key') ?? '""'), entryState(element))
  }
  return states
}

export async function listKeys(): Promise<{ keys: string[]; truncated: boolean }> {
  const body = JSON.parse(await call('GET', '/keys'))
  return { keys: body.data, truncated: body.truncated === true }
}

/** The last changes of a key, oldest first; deletes have `json: null`. */
export async function getHistory(key: string, limit: number): Promise<KeyState[]> {
  const text = await call(
    'GET',
    `/api/v1/history?key=${encodeURIComponent(key)}&by=revision&order=desc&limit=${limit}`,
  )
  return elementTexts(memberText(text, 'changes') ?? '[]')
    .map((change) => ({
      ...entryState(change),
      at: Date.parse(JSON.parse(memberText(change, 'at') ?? '""')),
    }))
    .reverse()
}

/** Identity of the store behind the server: another one means that everything shown is void. */
export async function getStoreId(): Promise<string | undefined> {
  const body = JSON.parse(await call('GET', '/api/v1/status'))
  return body.storeId
}

/** `json` must be valid JSON text; it is sent as it is. `onlyNew`: refused with REVISION_CONFLICT if the key has a value. */
export async function putEntry(key: string, json: string, onlyNew = false): Promise<KeyState> {
  const text = await call('PUT', entryUrl(key), `{"value":${json}}`, onlyNew ? { 'if-none-match': '*' } : {})
  return { ...entryState(text), json }
}

export async function deleteEntry(key: string): Promise<KeyState> {
  const text = await call('DELETE', entryUrl(key))
  return {
    json: null,
    revision: Number(memberText(text, 'revision') ?? 0),
    at: serverNow(),
    time: serverNow(),
  }
}

/** Of an entry, a change, or the answer to a write. */
function entryState(text: string): KeyState {
  const date = (name: string) => Date.parse(JSON.parse(memberText(text, name) ?? '""'))
  return {
    json: memberText(text, 'value') ?? null,
    revision: Number(memberText(text, 'revision')),
    at: date('at') || date('updatedAt'),
    time: date('time'),
  }
}

async function call(method: string, url: string, body?: string, headers: Record<string, string> = {}) {
  let response: Response
  let text: string
  try {
    response = await fetch(url, {
      method,
      cache: 'no-store',
      headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body }),
      signal: AbortSignal.timeout(method === 'GET' ? 5000 : 15_000),
    })
    text = await response.text()
  } catch (error) {
    throw new ApiError(0, 'NETWORK', String(error))
  }
  const offset = Date.parse(response.headers.get('date') ?? '') - Date.now()
  if (Number.isFinite(offset)) clockOffsetMs = Math.abs(offset) < 2000 ? 0 : offset
  if (response.ok) return text
  let answer: Record<string, unknown> = {}
  try {
    answer = JSON.parse(text)
  } catch {
    // A proxy's error page: the status says what can be said.
  }
  throw new ApiError(
    response.status,
    String(answer.code ?? response.status),
    String(answer.error ?? response.statusText),
    answer,
  )
}
