import type { Candle, Change, Entry } from '@livekv/protocol'
import { askedMs } from './backoff.ts'
import { LiveKVError } from './error.ts'
import type { Http } from './http.ts'

export interface ReadOptions {
  /** Waits until the answer reflects this revision, such as that of a write on another instance. */
  atLeast?: number
}

export interface ListOptions extends ReadOptions {
  prefix?: string
  /** Entries per request, up to 1,000. */
  pageSize?: number
}

/** `from` is inclusive, `to` exclusive. */
export interface HistoryQuery {
  by?: 'time' | 'revision'
  from?: string | number
  to?: string | number
  order?: 'asc' | 'desc'
  /** Up to 1,000; 100 without it. */
  limit?: number
  /** `next` of the page before. */
  cursor?: string
}

export interface CandlesQuery {
  /** A count and a unit: `1m`, `15m`, `1h`, `1d`, `1w`, `1mo`, `1y`. */
  interval?: string
  from?: string | number
  to?: string | number
  /** Up to 5,000; 500 without it. */
  limit?: number
  cursor?: string
}

export interface Page<T> {
  items: T[]
  /** There is more: the cursor of the next page. */
  next?: string
}

export interface ChangesQuery {
  /** After this revision; 0 (the default) is the beginning of the log. */
  since?: number
  prefix?: string
  /** Up to 5,000; 100 without it. */
  limit?: number
  cursor?: string
}

/** A part of the log, ascending. Changes of other keys up to `through` are covered too: it is the next `since`. */
export interface ChangesPage extends Page<Change> {
  through: number
  /** The last revision there is. */
  head: number
}

export interface KeyList {
  /** Most recently changed first. */
  keys: string[]
  /** There are more than the server lists (its setting `KEYS_LIMIT`). */
  truncated: boolean
}

const MAX_KEYS = 1_000
const MAX_PAGE = 1_000
/** A request for keys stays well below the server's limit of a body, whatever is in them. */
const MAX_REQUEST_CHARS = 192 * 1024
/** How long a page is asked for again in the middle of a list. */
const RETRY_PAGE_FOR_MS = 60_000
const RETRY_PAUSE_MAX_MS = 2_000

export class Reads {
  readonly #http: Http

  constructor(http: Http) {
    this.#http = http
  }

  async get(key: string, { atLeast }: ReadOptions): Promise<Entry | undefined> {
    return this.#http.get<Entry | undefined>('/api/v1/entries', { key, atLeast }, 'KEY_NOT_FOUND')
  }

  async getMany(keys: readonly string[], { atLeast }: ReadOptions): Promise<Map<string, Entry>> {
    const found = new Map<string, Entry>()
    for (const chunk of chunks([...new Set(keys)])) {
      const body = { keys: chunk, ...(atLeast !== undefined && { atLeast }) }
      const { entries } = await this.#http.post<{ entries: Entry[] }>(
        '/api/v1/entries/get',
        JSON.stringify(body),
      )
      for (const entry of entries) found.set(entry.key, entry)
    }
    return found
  }

  async *list({ prefix, pageSize = MAX_PAGE, atLeast }: ListOptions): AsyncGenerator<Entry, void, void> {
    let cursor: string | undefined
    do {
      const query = { prefix, limit: pageSize, cursor, atLeast: cursor === undefined ? atLeast : undefined }
      const ask = () => this.#http.get<{ entries: Entry[]; next?: string }>('/api/v1/entries', query)
      const page: { entries: Entry[]; next?: string } = await (cursor === undefined
        ? ask()
        : this.#again(ask))
      yield* page.entries
      cursor = page.next
    } while (cursor !== undefined)
  }

  /** A list cannot go on from where it broke off: what will pass is waited for. */
  async #again<T>(ask: () => Promise<T>): Promise<T> {
    const giveUpMs = performance.now() + RETRY_PAGE_FOR_MS
    for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, RETRY_PAUSE_MAX_MS)) {
      try {
        return await ask()
      } catch (error) {
        const passes = error instanceof LiveKVError && error.retryable && performance.now() < giveUpMs
        if (!passes) throw error
        await this.#http.pause(askedMs(error) + pauseMs * (0.5 + Math.random() / 2))
      }
    }
  }

  async history(key: string, query: HistoryQuery): Promise<Page<Change>> {
    const { changes, ...rest } = await this.#http.get<{ changes: Change[]; next?: string }>(
      '/api/v1/history',
      { key, ...query },
    )
    return { items: changes, ...rest }
  }

  async changes(query: ChangesQuery): Promise<ChangesPage> {
    const { changes, ...rest } = await this.#http.get<Omit<ChangesPage, 'items'> & { changes: Change[] }>(
      '/api/v1/changes',
      { since: 0, ...query },
    )
    return { items: changes, ...rest }
  }

  async keys(): Promise<KeyList> {
    const { data, truncated = false } = await this.#http.get<{ data: string[]; truncated?: boolean }>(
      '/keys',
      {},
    )
    return { keys: data, truncated }
  }

  async candles(key: string, query: CandlesQuery): Promise<Page<Candle>> {
    const { candles, ...rest } = await this.#http.get<{ candles: Candle[]; next?: string }>(
      '/api/v1/candles',
      { key, ...query },
    )
    return { items: candles, ...rest }
  }
}

function* chunks(keys: readonly string[]): Generator<string[]> {
  let chunk: string[] = []
  let chars = 0
  for (const key of keys) {
    if (chunk.length >= MAX_KEYS || chars + key.length > MAX_REQUEST_CHARS) {
      yield chunk
      chunk = []
      chars = 0
    }
    chunk.push(key)
    chars += key.length + 3
  }
  if (chunk.length > 0) yield chunk
}
