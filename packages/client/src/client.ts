import type { Candle, Change, ErrorBody, Json } from '@livekv/protocol'
import { Conflated } from './conflated.ts'
import { Connection } from './connection.ts'
import type { ConnectionState } from './connection-state.ts'
import { LiveKVError, shown } from './error.ts'
import { closedError, Http } from './http.ts'
import { type JsonCodec, plainJson } from './json-codec.ts'
import { LinkLost } from './link.ts'
import { Listeners } from './listeners.ts'
import { JsonText } from './packet-parser.ts'
import { MAX_CHARS } from './pending.ts'
import {
  type CandlesQuery,
  type ChangesPage,
  type ChangesQuery,
  type HistoryQuery,
  type KeyList,
  type ListOptions,
  type Page,
  type ReadOptions,
  Reads,
} from './reads.ts'
import type { Selection } from './selection.ts'
import { createValue, type Value } from './value.ts'
import type { EntryOf, WatchChange, WatchEvent } from './watch-event.ts'
import { Watcher } from './watcher.ts'
import { Watches } from './watches.ts'
import type {
  DeleteOptions,
  IncrementOptions,
  PutEntry,
  PutOptions,
  TouchOptions,
  Write,
  WriteResult,
} from './write-options.ts'
import { type BatchAnswer, Writes } from './writes.ts'

/**
 * A connection to a LiveKV server (or several instances behind one address), and everything that goes over it.
 * Clients share nothing; a program needs one.
 *
 * It connects when it is first needed, by a watch, a write, or a look at `state` or `now`, and from then on
 * reconnects by itself until `close`. Reads do not need it: they go over HTTP, ask the server each time, and keep no
 * program running.
 *
 * Writes go over the connection: a promise that resolves means that the write is on disk. What is not acknowledged is
 * sent again, once applied at most, after a reconnection too and in the order of issue per key, for up to 5 minutes;
 * what the server refuses rejects at once with a `LiveKVError`.
 */
export interface Client {
  /** Undefined: the key has no value. */
  get<V = Json>(key: string, options?: ReadOptions): Promise<EntryOf<V> | undefined>
  /** Those of the keys that have a value. */
  getMany<V = Json>(keys: readonly string[], options?: ReadOptions): Promise<Map<string, EntryOf<V>>>
  /**
   * All entries, or those of a prefix, in the byte order of their keys. Pages are fetched as the loop goes on; of all
   * but the first one the client waits up to a minute for a server that is away.
   */
  list<V = Json>(options?: ListOptions): AsyncIterable<EntryOf<V>>
  /** The key's changes, a page. */
  history(key: string, query?: HistoryQuery): Promise<Page<Change>>
  /** The log of all keys, a page. */
  changes(query?: ChangesQuery): Promise<ChangesPage>
  /** Keys that have a value, bounded. */
  keys(): Promise<KeyList>
  /** Open, high, low, close per interval, a page. A page can be short, even empty, and still have a `next`. */
  candles(key: string, query?: CandlesQuery): Promise<Page<Candle>>

  put(key: string, value: Json, options?: PutOptions): Promise<WriteResult>
  /**
   * Each entry is applied or refused by itself. Resolves with all results, in order; if any was refused it rejects,
   * when all are decided, with the first one's error, whose `details.failures` lists `{index, key, code, error}`.
   */
  putMany(entries: readonly PutEntry[]): Promise<WriteResult[]>
  delete(key: string, options?: DeleteOptions): Promise<WriteResult>
  /** Adds to a number, atomically; `value` of the result is the new one. */
  increment(key: string, by?: number, options?: IncrementOptions): Promise<WriteResult>
  /** Writes the present value again, with a new expiry or none. */
  touch(key: string, options?: TouchOptions): Promise<WriteResult>
  /**
   * Writes of any kind, applied in this order across keys too (other writes keep that of each key, and need not wait
   * for those of other keys). Each is applied or refused by itself: resolves, when all are decided, with a result or
   * an error for each. Rejects, and writes nothing, if one of them cannot be sent at all (its value is no JSON).
   */
  write(writes: readonly Write[]): Promise<(WriteResult | LiveKVError)[]>

  /**
   * Tells the listener the present state of what is selected, then each change, until the returned function is called.
   * A listener that throws does not disturb others.
   */
  watch<V = Json>(selection: Selection, listener: (event: WatchEvent<V>) => void): () => void
  /**
   * The same as a loop, which watches while it runs: puts and deletes. If the loop is slower than the changes, it
   * gets the latest of each key. After a reset of the store revisions start anew.
   */
  watch<V = Json>(selection: Selection): AsyncIterable<WatchChange<V>>
  /** One key's present state, for user interfaces. Calls with the same key give the same object while it is used. */
  value<V = Json>(key: string): Value<V>

  readonly state: ConnectionState
  /** Calls `run` at once and at each change of `state`; returns the end of it. */
  onState(run: (state: ConnectionState) => void): () => void
  /** The server's clock, estimated, in ms since 1970: `client.now() - Date.parse(entry.updatedAt)` is an age. */
  now(): number
  /** Ends everything. Writes that were not acknowledged reject, saying whether their fate is known. */
  close(): void
}

export interface ClientOptions {
  /** How values are read and written, by default as JavaScript does; `exactNumbers` keeps all digits. */
  json?: JsonCodec
}

/** `url` is the server's address, by default that of the page. Nothing is sent before the client is used. */
export function createClient(url?: string | URL, options: ClientOptions = {}): Client {
  const given = url ?? (globalThis as { location?: { origin: string } }).location?.origin
  const base = URL.canParse(String(given)) ? new URL(given as URL) : undefined
  if (base?.protocol !== 'http:' && base?.protocol !== 'https:') {
    throw new TypeError(
      `createClient needs the server’s address, such as http://localhost:8080, and not ${shown(given)}.`,
    )
  }
  return new LiveClient(base, options)
}

class LiveClient implements Client {
  readonly #http: Http
  readonly #reads: Reads
  readonly #connection: Connection
  readonly #watches: Watches
  readonly #writeQueue: Writes
  readonly #stateListeners = new Listeners<ConnectionState>()
  readonly #watchers = new Set<Watcher>()
  readonly #values = new Map<string, WeakRef<Value>>()
  #valuesLimit = 1_000
  #isClosed = false

  constructor(url: URL, { json = plainJson }: ClientOptions) {
    this.#http = new Http(url, json)
    this.#reads = new Reads(this.#http)
    this.#watches = new Watches(() => this.#connection.evaluate())
    this.#writeQueue = new Writes((writes, chars) => this.#sendBatch(writes, chars), json)
    this.#connection = new Connection(url, json, {
      up: (link) => {
        this.#watches.up(link)
        this.#writeQueue.up()
      },
      down: () => {
        this.#watches.down()
        this.#writeQueue.down()
      },
      snapshot: (frame) => this.#watches.snapshot(frame),
      changes: (frame) => this.#watches.changes(frame),
      watchEnded: (name, error) => this.#watches.ended(name, LiveKVError.of(error)),
      isCurrent: () => this.#watches.isCurrent,
      stateChanged: () => {
        // The present one for each: what a listener does may have changed it.
        this.#stateListeners.tell(() => this.state)
        for (const watcher of [...this.#watchers]) watcher.state(this.state)
      },
    })
  }

  get<V = Json>(key: string, options: ReadOptions = {}): Promise<EntryOf<V> | undefined> {
    return this.#reads.get(key, options) as Promise<EntryOf<V> | undefined>
  }

  getMany<V = Json>(keys: readonly string[], options: ReadOptions = {}): Promise<Map<string, EntryOf<V>>> {
    return this.#reads.getMany(keys, options) as Promise<Map<string, EntryOf<V>>>
  }

  list<V = Json>(options: ListOptions = {}): AsyncIterable<EntryOf<V>> {
    return this.#reads.list(options) as AsyncIterable<EntryOf<V>>
  }

  history(key: string, query: HistoryQuery = {}): Promise<Page<Change>> {
    return this.#reads.history(key, query)
  }

  changes(query: ChangesQuery = {}): Promise<ChangesPage> {
    return this.#reads.changes(query)
  }

  keys(): Promise<KeyList> {
    return this.#reads.keys()
  }

  candles(key: string, query: CandlesQuery = {}): Promise<Page<Candle>> {
    return this.#reads.candles(key, query)
  }

  async put(key: string, value: Json, options: PutOptions = {}): Promise<WriteResult> {
    return this.#writes.write({ ...options, op: 'put', key, value })
  }

  async putMany(entries: readonly PutEntry[]): Promise<WriteResult[]> {
    const settled = await Promise.allSettled(
      this.#writes.writeMany(entries.map((entry) => ({ ...entry, op: 'put' }))),
    )
    const failures = settled.flatMap((result, index) =>
      result.status === 'rejected'
        ? [{ index, key: entries[index]!.key, error: result.reason as unknown }]
        : [],
    )
    const [first] = failures
    if (first === undefined)
      return settled.map((result) => (result as PromiseFulfilledResult<WriteResult>).value)
    if (!(first.error instanceof LiveKVError)) throw first.error
    const { code, message, details } = first.error
    throw new LiveKVError(
      code,
      `${failures.length} of ${entries.length} writes failed; the first: ${message}`,
      {
        ...details,
        failures: failures.map(({ index, key, error }) => {
          const { code, message } = error as LiveKVError
          return { index, key, code, error: message }
        }),
      },
    )
  }

  async delete(key: string, options: DeleteOptions = {}): Promise<WriteResult> {
    return this.#writes.write({ ...options, op: 'delete', key })
  }

  async increment(key: string, by = 1, options: IncrementOptions = {}): Promise<WriteResult> {
    return this.#writes.write({ ...options, op: 'increment', key, by })
  }

  async touch(key: string, options: TouchOptions = {}): Promise<WriteResult> {
    return this.#writes.write({ ...options, op: 'touch', key })
  }

  async write(writes: readonly Write[]): Promise<(WriteResult | LiveKVError)[]> {
    const settled = await Promise.allSettled(this.#writes.writeInOrder(writes))
    return settled.map((outcome) =>
      outcome.status === 'fulfilled' ? outcome.value : (outcome.reason as LiveKVError),
    )
  }

  watch<V = Json>(selection: Selection, listener: (event: WatchEvent<V>) => void): () => void
  watch<V = Json>(selection: Selection): AsyncIterable<WatchChange<V>>
  watch(
    selection: Selection,
    listener?: (event: WatchEvent<never>) => void,
  ): (() => void) | AsyncIterable<unknown> {
    if (!listener) return { [Symbol.asyncIterator]: () => this.#iterate(selection) }
    const watcher = this.#watch(selection, listener as (event: WatchEvent) => void)
    return () => watcher.stop()
  }

  value<V = Json>(key: string): Value<V> {
    const known = this.#values.get(key)?.deref()
    if (known) return known as Value<V>
    const value = createValue({
      peek: () => this.#watches.peek(key),
      watch: (hear) => {
        const watcher = this.#watch({ key }, hear)
        return { get: () => watcher.get(key), stop: () => watcher.stop() }
      },
    })
    this.#values.set(key, new WeakRef(value))
    if (this.#values.size > this.#valuesLimit) this.#forgetUnusedValues()
    return value as Value<V>
  }

  get state(): ConnectionState {
    this.#connection.start()
    return this.#connection.state
  }

  // Bound, so that it can be handed to React as it is.
  onState = (run: (state: ConnectionState) => void): (() => void) =>
    this.#stateListeners.add(run, () => this.state)

  now(): number {
    this.#connection.start()
    return this.#connection.clock.now()
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#writeQueue.close()
    this.#connection.close()
    for (const watcher of this.#watchers) watcher.stop()
    this.#watches.close()
    this.#http.close()
  }

  get #writes(): Writes {
    this.#connection.start()
    return this.#writeQueue
  }

  #watch(selection: Selection, emit: (event: WatchEvent) => void, ended = () => {}): Watcher {
    if (this.#isClosed) throw closedError()
    this.#connection.start()
    const watcher: Watcher = new Watcher(
      this.#watches,
      selection,
      () => this.state,
      emit,
      () => {
        this.#watchers.delete(watcher)
        ended()
      },
    )
    this.#watchers.add(watcher)
    return watcher
  }

  #iterate(selection: Selection): AsyncIterableIterator<WatchChange> {
    const queue: Conflated<WatchChange> = new Conflated(() => watcher.stop())
    const watcher: Watcher = this.#watch(
      selection,
      (event) => {
        if (event.type === 'put' || event.type === 'delete') queue.push(event)
        else if (event.type === 'error') queue.finish({ error: event.error })
      },
      () => queue.finish({}),
    )
    return queue
  }

  async #sendBatch(writes: readonly string[], chars: number): Promise<BatchAnswer | ErrorBody> {
    const body = `{"writes":[${writes.join(',')}]}`
    if (chars > MAX_CHARS) return this.#sendLarge(body)
    const { link } = this.#connection
    if (!link) throw new LinkLost()
    return link.request('batch', new JsonText(body))
  }

  /**
   * A single write above all measure goes over HTTP, which answers BODY_TOO_LARGE or VALUE_TOO_LARGE; a socket would
   * end without a word, and the write be sent again and again.
   */
  async #sendLarge(body: string): Promise<BatchAnswer | ErrorBody> {
    try {
      return await this.#http.post<BatchAnswer>('/api/v1/batch', body)
    } catch (error) {
      if (!(error instanceof LiveKVError)) throw error
      const { code, message, details } = error
      if (code === 'CLIENT_CLOSED') throw new LinkLost()
      // Nobody knows whether it arrived.
      return { ...details, error: message, code: code === 'UNREACHABLE' ? 'COMMIT_UNKNOWN' : code }
    }
  }

  #forgetUnusedValues(): void {
    for (const [key, value] of this.#values) if (!value.deref()) this.#values.delete(key)
    this.#valuesLimit = Math.max(1_000, this.#values.size * 2)
  }
}
