import type { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Change,
  type ChangesFrame,
  type Entry,
  ERRORS,
  type ErrorBody,
  type LiveClientEvents,
  type LiveServerEvents,
  type SnapshotFrame,
} from '@livekv/protocol'
import { io, type Socket } from 'socket.io-client'
import { CursorCodec, type Position } from '../../src/live/cursor.ts'
import { KeySelection, PrefixSelection, type Selection } from '../../src/live/selection.ts'
import type { LatestChanges, LatestEntry, LoggedChange } from './check-log.ts'

const RETRY_WATCH_MS = 1_000

export type Asked = { keys: string[] } | { prefix: string }

/**
 * In the order in which it happened: a key was shown, or a cursor came, which covers everything up to `low`; at the end
 * of a snapshot with the keys that were in it, all others having been gone when it was read, at `high`.
 */
type Step = { key: string; revision: number } | (Position & { present: ReadonlySet<string> | undefined })

/** One client of the live protocol, without a library: it watches again with its cursor whenever it is connected again. */
export class LiveWatcher {
  readonly problems: string[] = []
  readonly #asked: Asked
  readonly #selection: Selection
  readonly #shown: Map<number, LatestEntry>
  readonly #socket: Socket<LiveServerEvents, LiveClientEvents>
  readonly #steps: Step[] = []
  readonly #values = new Map<string, LatestEntry>()
  /** Highest revision shown of each key, over all connections. */
  readonly #revisions = new Map<string, number>()
  #inSnapshot: Set<string> | undefined
  #cursor: string | undefined
  #codec: CursorCodec | undefined
  #isCurrent = false
  /** Up to where the absence of a key from `#values` says that it was deleted. */
  #completeTo = 0
  #isAway = false
  #cameMs = 0
  events = 0
  connects = 0
  resumes = 0

  /** What is shown goes into `shown`, which all watchers share: they must agree. */
  constructor(
    url: string,
    asked: Asked,
    shown: Map<number, LatestEntry>,
    { transports, agent }: { transports: ('polling' | 'websocket')[]; agent?: Agent },
  ) {
    this.#asked = asked
    this.#shown = shown
    this.#selection = 'keys' in asked ? new KeySelection(asked.keys) : new PrefixSelection(asked.prefix)
    this.#socket = io(url, {
      forceNew: true,
      auth: { protocol: 1 },
      transports,
      // Its types know the browser's only.
      ...(agent && { agent: agent as never }),
      reconnectionDelay: 50,
      reconnectionDelayMax: 200,
    })
    this.#socket.on('connect', () => {
      this.connects++
      this.#watch()
    })
    this.#socket.on('snapshot', (frame) => this.#takeSnapshot(frame))
    this.#socket.on('changes', (frame) => this.#takeChanges(frame))
    this.#socket.on('watchEnded', (notice) => this.#refused(notice, this.connects))
  }

  /** Leaves and comes back, with its cursor or as somebody new, until the signal; resolves when it is there again. */
  async comeAndGo(random: () => number, signal: AbortSignal, forgets = 0): Promise<void> {
    const wait = (ms: number) => sleep(ms, undefined, { signal }).catch(() => {})
    while (!signal.aborted) {
      await wait(random() * 3_000)
      this.#isAway = true
      this.#socket.disconnect()
      if (random() < forgets) this.#cursor = undefined
      await wait(random() * 1_500)
      this.#cameMs = performance.now()
      this.#isAway = false
      this.#socket.connect()
    }
  }

  /** It has left by itself at some time since then. */
  hasLeft(sinceMs: number): boolean {
    return this.#isAway || this.#cameMs > sinceMs
  }

  /** Which of these changes of its selection it does not know of. */
  behind(latest: LatestChanges): string[] {
    const problems: string[] = []
    for (const [key, { revision, isDelete }] of latest) {
      if (this.isAt(key, revision)) continue
      const isAbsent = !this.#values.has(key) && this.#isCurrent
      if (isAbsent && (isDelete || this.#completeTo >= revision)) continue
      problems.push(`${key} at ${this.#revisions.get(key)} instead of ${revision}`)
    }
    return problems
  }

  /** Whether it was shown that change of the key, or a later one. Always true of what it does not watch. */
  isAt(key: string, revision: number): boolean {
    return !this.#wants(key) || (this.#revisions.get(key) ?? 0) >= revision
  }

  /** Where it differs from what there is. */
  missing(entries: readonly LatestEntry[]): string[] {
    const wanted = entries.filter(({ key }) => this.#wants(key))
    const missing = wanted
      .filter(({ key, revision }) => this.#values.get(key)?.revision !== revision)
      .map(({ key, revision }) => `${this}: ${key} at ${this.#revisions.get(key)} instead of ${revision}`)
    const extra = [...this.#values.keys()].filter((key) => !wanted.some((entry) => entry.key === key))
    missing.push(...extra.map((key) => `${this}: ${key} is still there`))
    if (!this.#isCurrent) missing.push(`${this} was not told that it is up to date`)
    return missing
  }

  /** Between two cursors it was shown each change of its selection, or a newer one of the key. */
  checkCovered(log: readonly LoggedChange[]): string[] {
    const problems: string[] = []
    const shown = new Map<string, number>()
    const keys = [...new Set(log.map(({ key }) => key))].filter((key) => this.#wants(key))
    let covered = 0
    for (const step of this.#steps) {
      if ('key' in step) {
        shown.set(step.key, Math.max(step.revision, shown.get(step.key) ?? 0))
        continue
      }
      const { low, high, present } = step
      if (present) {
        for (const key of keys) if (!present.has(key)) shown.set(key, high)
      }
      for (const { key, revision } of log.slice(present ? 0 : covered, low)) {
        if (this.#wants(key) && (shown.get(key) ?? 0) < revision)
          problems.push(`${this} had a cursor for ${low} and was not shown ${key} of ${revision}`)
      }
      covered = low
    }
    return problems
  }

  close(): void {
    this.#socket.disconnect()
  }

  toString(): string {
    return `live watcher of ${this.#selection.identity}`
  }

  /** What passes is tried again on the same connection. */
  #refused({ error, code }: ErrorBody, connection: number): void {
    if (!ERRORS[code]?.retryable) {
      this.#note(error)
      return
    }
    setTimeout(() => {
      if (this.#socket.connected && this.connects === connection) this.#watch()
    }, RETRY_WATCH_MS).unref()
  }

  #watch(): void {
    this.#isCurrent = false
    this.#inSnapshot = undefined
    const since = this.#cursor
    const connection = this.connects
    this.#socket.emit('watch', { watch: 'w', ...this.#asked, ...(since && { since }) }, (answer) => {
      if ('error' in answer) return this.#refused(answer, connection)
      const { reset, resumed, storeId } = answer
      this.#codec = new CursorCodec(storeId, this.#selection)
      if (reset) this.#note('was reset')
      if (resumed) this.resumes++
      else this.#beginSnapshot()
    })
  }

  #beginSnapshot(): Set<string> {
    this.#cursor = undefined
    this.#isCurrent = false
    this.#inSnapshot = new Set()
    return this.#inSnapshot
  }

  #takeSnapshot({ entries, end, cursor }: SnapshotFrame): void {
    const inSnapshot = this.#inSnapshot ?? this.#beginSnapshot()
    for (const entry of entries) this.#take(entry, entry.value as string | number)
    if (!end) return
    for (const key of this.#values.keys()) if (!inSnapshot.has(key)) this.#values.delete(key)
    this.#inSnapshot = undefined
    this.#isCurrent = true
    this.#keep(cursor!, inSnapshot)
    this.#completeTo = this.#codec?.decode(cursor!)?.high ?? 0
  }

  #takeChanges({ changes, cursor, current }: ChangesFrame): void {
    for (const change of changes) {
      this.#take(change, change.op === 'put' ? (change.value as string | number) : undefined)
    }
    if (cursor !== undefined) this.#keep(cursor)
    if (current) this.#isCurrent = true
  }

  #take({ key, revision }: Entry | Change, value: string | number | undefined): void {
    this.events++
    const before = this.#revisions.get(key) ?? 0
    if (revision < before) this.#note(`was shown ${key} of ${revision} after that of ${before}`)
    if (!this.#wants(key)) this.#note(`was shown ${key}`)
    this.#revisions.set(key, revision)
    this.#inSnapshot?.add(key)
    this.#steps.push({ key, revision })
    if (value === undefined) this.#values.delete(key)
    else this.#values.set(key, { key, value, revision })
    // As the classic watchers are told: null is "no value".
    const told = { key, value: (value ?? null) as string | number, revision }
    const other = this.#shown.get(revision)
    if (other === undefined) this.#shown.set(revision, told)
    else if (other.key !== key || other.value !== told.value)
      this.#note(`was shown ${revision} as ${key} ${value}, another as ${other.key} ${other.value}`)
  }

  #keep(cursor: string, present?: ReadonlySet<string>): void {
    this.#cursor = cursor
    const position = this.#codec?.decode(cursor)
    if (position === undefined) this.#note(`got the cursor ${cursor}`)
    else this.#steps.push({ ...position, present })
  }

  #wants(key: string): boolean {
    return 'keys' in this.#asked ? this.#asked.keys.includes(key) : key.startsWith(this.#asked.prefix)
  }

  #note(problem: string): void {
    this.problems.push(`${this} ${problem}, on connection ${this.connects}, ${new Date().toISOString()}`)
  }
}
