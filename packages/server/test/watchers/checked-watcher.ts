import type { Client, Selection, WatchEvent } from '@livekv/client'
import type { LatestChanges, LatestEntry, LoggedChange } from '../sigkill/check-log.ts'

/** What all watchers of a run were shown: they must agree, and the log with them. */
export class AllShown {
  /** Whether the store gives a reason for it: its log is cut. */
  readonly mayReset: boolean
  readonly #values = new Map<number, { key: string; value: unknown }>()
  /** Deletes that nobody was shown, only that the key was gone: one above this revision must be in the log. */
  readonly #absences: { key: string; above: number; who: string }[] = []

  constructor(mayReset: boolean) {
    this.mayReset = mayReset
  }

  /** `value` undefined: a delete. */
  note(key: string, revision: number, value: unknown, who: string): string | undefined {
    const before = this.#values.get(revision)
    this.#values.set(revision, { key, value })
    if (before === undefined || (before.key === key && before.value === value)) return undefined
    return `${who} was shown ${key} ${short(value)} as ${revision}, another ${before.key} ${short(before.value)}`
  }

  noteAbsence(key: string, above: number, who: string): void {
    this.#absences.push({ key, above, who })
  }

  get size(): number {
    return this.#values.size
  }

  check(log: readonly LoggedChange[]): string[] {
    const problems: string[] = []
    for (const [revision, { key, value }] of this.#values) {
      const logged = log[revision - 1]
      if (logged?.key === key && logged.value === value) continue
      problems.push(
        `shown ${key} ${short(value)} as ${revision}, the log has ${logged?.key} ${short(logged?.value)}`,
      )
    }
    for (const { key, above, who } of this.#absences) {
      const isDeleted = log.some(
        (change) => change.key === key && change.op === 'delete' && change.revision > above,
      )
      if (!isDeleted)
        problems.push(`${who} was told that ${key} of ${above} is gone, the log never deleted it`)
    }
    return problems
  }
}

const short = (value: unknown) => String(value).slice(0, 20)

/** One watcher of the real client: checks the order it is told things in, and keeps what it holds by that. */
export class CheckedWatcher {
  readonly problems: string[] = []
  readonly #name: string
  readonly #selection: Selection
  readonly #all: AllShown
  readonly #values = new Map<string, LatestEntry>()
  /** Highest revision shown of each key, also of deleted ones. */
  readonly #revisions = new Map<string, number>()
  /** When it was told that a key is gone, without the revision of its delete. */
  readonly #absentMs = new Map<string, number>()
  readonly #stop: () => void
  #isOver = false
  events = 0
  resets = 0

  constructor(name: string, client: Client, selection: Selection, all: AllShown, isLoop: boolean) {
    this.#name = `${name} ${JSON.stringify(selection)}`
    this.#selection = selection
    this.#all = all
    const take = (event: WatchEvent<string>) => this.#take(event)
    this.#stop = isLoop ? loop(client, selection, take) : client.watch<string>(selection, take)
  }

  stop(): void {
    this.#isOver = true
    this.#stop()
  }

  get isOver(): boolean {
    return this.#isOver
  }

  toString(): string {
    return this.#name
  }

  /** Which of these changes of its selection, all of them made before `sinceMs`, it does not know of. */
  behind(latest: LatestChanges, sinceMs: number): string[] {
    const problems: string[] = []
    for (const [key, { revision, isDelete }] of latest) {
      if (!this.#wants(key) || (this.#revisions.get(key) ?? 0) >= revision) continue
      if (!this.#values.has(key) && (isDelete || (this.#absentMs.get(key) ?? 0) > sinceMs)) continue
      problems.push(`${key} at ${this.#revisions.get(key)} instead of ${revision}`)
    }
    return problems
  }

  /** Where it differs from what there is. */
  missing(entries: readonly LatestEntry[]): string[] {
    const wanted = entries.filter(({ key }) => this.#wants(key))
    const missing = wanted
      .filter(({ key, revision, value }) => {
        const held = this.#values.get(key)
        return held?.revision !== revision || held.value !== value
      })
      .map(
        ({ key, revision }) => `${this.#name}: ${key} at ${this.#revisions.get(key)} instead of ${revision}`,
      )
    if (this.#values.size > wanted.length)
      missing.push(`${this.#name} holds ${this.#values.size} keys instead of ${wanted.length}`)
    return missing
  }

  #take(event: WatchEvent<string>): void {
    this.events++
    if (this.#isOver) this.#note(`was told ${event.type} after its end`)
    if (event.type === 'reset') this.#reset()
    if (event.type === 'error') this.#note(`ended with ${event.error.code}: ${event.error.message}`)
    if (event.type !== 'put' && event.type !== 'delete') return
    const { type, key, revision, value } = event
    if (!this.#wants(key)) this.#note(`was shown ${key}`)
    // The absence of a key has the revision of what it replaces, or none if that was of before a reset (a loop is not told
    // of those).
    const isAbsence = type === 'delete' && event.updatedAt === undefined
    if (isAbsence && revision === 0) {
      if (!this.#all.mayReset)
        this.#note(`was told that ${key} is gone with a reset, though nothing happened to the store`)
      this.#revisions.delete(key)
    }
    const before = this.#revisions.get(key) ?? 0
    if (revision < before || (revision === before && type === 'delete' && !isAbsence))
      this.#note(`was shown ${type} ${key} of ${revision} after that of ${before}`)
    if (type === 'put' && revision === before && !this.#values.has(key))
      this.#note(`was shown ${key} of ${revision} again after it was gone`)
    this.#revisions.set(key, revision)
    if (isAbsence) this.#absentMs.set(key, performance.now())
    if (type === 'put') this.#values.set(key, { key, revision, value })
    else this.#values.delete(key)
    // Where the log is cut nobody knows the own revision of an old delete any more: it has that of the head it was read at.
    if (type === 'delete' && this.#all.mayReset) return
    if (isAbsence) this.#all.noteAbsence(key, revision, this.#name)
    else {
      const problem = this.#all.note(key, revision, value, this.#name)
      if (problem) this.problems.push(problem)
    }
  }

  #reset(): void {
    this.resets++
    if (!this.#all.mayReset) this.#note('was reset, though nothing happened to the store')
    this.#revisions.clear()
  }

  #wants(key: string): boolean {
    const selection = this.#selection
    if ('key' in selection) return selection.key === key
    if ('keys' in selection) return selection.keys.includes(key)
    return 'all' in selection || key.startsWith(selection.prefix)
  }

  #note(problem: string): void {
    this.problems.push(`${this.#name} ${problem}, ${new Date().toISOString()}`)
  }
}

/** The same as a loop, which takes its time. */
function loop(client: Client, selection: Selection, take: (event: WatchEvent<string>) => void): () => void {
  const changes = client.watch<string>(selection)[Symbol.asyncIterator]()
  const run = async () => {
    for (let next = await changes.next(); !next.done; next = await changes.next()) {
      take(next.value)
      if (next.value.revision % 16 === 0) await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  run().catch((error) => take({ type: 'error', error }))
  return () => void changes.return?.()
}
