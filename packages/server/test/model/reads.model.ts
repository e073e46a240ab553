import type { Model, Step } from './explorer.ts'
import type { ReadRules } from './reads.rules.ts'

/**
 * Reads and watchers of one or two instances over one log.
 *
 *   commit   anybody puts or deletes a key: one more revision in the log
 *   own      an instance acknowledges a write made on it
 *   bring    the bus, a gap fill or the poll brings a revision: at any time, in any order, or never
 *   evict    the Tail is full, a key goes
 *   jump     the gap is too large: the instance re-reads its watched keys and goes on from the head
 *   read     a client reads, and meets an item from the cache or the store
 *   restart  the instance ends and starts again, with its Tail warmed from the log
 *
 * The cache is an adversary: a read may meet any true item, "as of head `asOf` this was the latest", however old.
 * This covers a cache that was flushed, filled late, lost writes or got them in another order, whoever wrote it;
 * and a flight that began long ago, or was joined late, is a store's item of an old `asOf`.
 */
export interface ReadsState {
  /** `log[r - 1]` is the change of revision r. */
  log: LogRow[]
  instances: Instance[]
}

export type Key = 'watched' | 'other'
interface LogRow {
  key: Key
  op: 'put' | 'delete'
}

interface Instance {
  up: boolean
  /** Latest revision known per key; 0: not in the Tail. */
  tail: Record<Key, number>
  floor: number
  contiguous: number
  /** Revisions above `contiguous` that were seen. */
  seen: number[]
  /** Highest revision a client was promised here, by an acknowledgement or by what it read. Not the instance's own. */
  promised: Record<Key, number>
  /** What watchers of `watched` are owed for it; 0 for an absence of which no revision is known any more. */
  due: number
  /** Head at which the key was read as absent, with no revision; 0: was not, or `contiguous` has passed it. */
  absentAsOf: Record<Key, number>
  /** Last revision that was shown to the watchers of `watched`. */
  shown: number
}

interface Item {
  /** Of the entry or of the delete; 0: never written. */
  revision: number
  /** What the item itself tells of its revision: 0 for an absence that carries none. */
  told: number
  /** It carries none because the log no longer had the delete when the store was read. */
  isCut: boolean
  asOf: number
  from: 'cache' | 'store'
}

export interface ReadsOptions {
  instances: 1 | 2
  maxWrites: number
  /** Whether deletes may be gone from the log, so that nobody knows their revision. */
  isCut: boolean
  rules: ReadRules
}

const KEYS: readonly Key[] = ['watched', 'other']

export const READ_INVARIANTS = {
  stepBack: 'a read gives something older than what was acknowledged or read on this instance before',
  stale: 'a read gives something older than what the instance has seen without a gap',
  notAtLeast: 'a read gives something older than the revision it asked for',
  refused: 'a fresh read of the store is never believed',
  backwards: 'a watcher sees a key go backwards',
  notShown: 'a watcher lacks a change that the instance has passed or that a reader was given',
  stuck: 'the instance cannot reach the head of the log any more',
} as const

export function readsModel(options: ReadsOptions): Model<ReadsState> {
  const { rules, maxWrites } = options
  const fresh = (): Instance => ({
    up: true,
    tail: { watched: 0, other: 0 },
    floor: 0,
    contiguous: 0,
    seen: [],
    promised: { watched: 0, other: 0 },
    due: 0,
    absentAsOf: { watched: 0, other: 0 },
    shown: 0,
  })

  /** `change` works on a copy of the instance and returns what it breaks. */
  function step(
    state: ReadsState,
    index: number,
    label: string,
    change: (instance: Instance) => string[] | undefined,
  ): Step<ReadsState> {
    const instances = state.instances.map((instance, i) =>
      i === index
        ? {
            ...instance,
            tail: { ...instance.tail },
            seen: [...instance.seen],
            promised: { ...instance.promised },
            absentAsOf: { ...instance.absentAsOf },
          }
        : instance,
    )
    const instance = instances[index]!
    const breaks = change(instance) ?? []
    for (const key of KEYS) if (instance.absentAsOf[key] <= instance.contiguous) instance.absentAsOf[key] = 0
    return { label: `instance ${index + 1}: ${label}`, state: { log: state.log, instances }, breaks }
  }

  function* steps(state: ReadsState): Iterable<Step<ReadsState>> {
    yield* commits(state)
    for (const [index, instance] of state.instances.entries()) {
      if (!instance.up) {
        yield* starts(state, index)
        continue
      }
      yield* acknowledgements(state, index)
      yield* deliveries(state, index)
      yield* evictions(state, index)
      yield* jumps(state, index)
      yield* cachedReads(state, index)
      yield* tailReads(state, index)
      yield step(state, index, 'ends', (i) => {
        Object.assign(i, { ...fresh(), up: false, promised: i.promised, due: i.due })
        return []
      })
    }
  }

  function* commits({ log, instances }: ReadsState): Iterable<Step<ReadsState>> {
    if (log.length >= maxWrites) return
    for (const key of KEYS) {
      for (const op of ['put', 'delete'] as const) {
        if (op === 'delete' && isAbsent(log, latest(log, key, log.length))) continue
        yield {
          label: `revision ${log.length + 1}: ${op} ${key}`,
          state: { log: [...log, { key, op }], instances },
        }
      }
    }
  }

  function* acknowledgements(state: ReadsState, index: number): Iterable<Step<ReadsState>> {
    for (const [at, { key }] of state.log.entries()) {
      const revision = at + 1
      if (revision <= state.instances[index]!.promised[key]) continue
      yield step(state, index, `acknowledges its own write ${revision}`, (instance) => {
        const breaks = rules['tail-before-ack'] ? accept(instance, state.log, revision) : []
        instance.promised[key] = revision
        if (key === 'watched') instance.due = revision
        return breaks
      })
    }
  }

  function* deliveries(state: ReadsState, index: number): Iterable<Step<ReadsState>> {
    const { seen } = state.instances[index]!
    for (let revision = 1; revision <= state.log.length; revision++) {
      if (seen.includes(revision)) continue
      yield step(state, index, `is brought revision ${revision}`, (i) => accept(i, state.log, revision))
    }
  }

  /** A change arrives, from wherever: what the Hub does with it. */
  function accept(instance: Instance, log: LogRow[], revision: number): string[] {
    const { key } = log[revision - 1]!
    const old = revision <= instance.contiguous || revision <= instance.tail[key]
    const breaks: string[] = []
    if (!old || !rules['drop-older']) {
      instance.tail[key] = revision
      if (key === 'watched') breaks.push(...show(instance, revision))
    }
    if (!old || rules['own-seen-set']) see(instance, revision)
    return breaks
  }

  function show(instance: Instance, revision: number): string[] {
    const breaks = revision < instance.shown ? [READ_INVARIANTS.backwards] : []
    instance.shown = revision
    return breaks
  }

  function* evictions(state: ReadsState, index: number): Iterable<Step<ReadsState>> {
    const { tail, contiguous } = state.instances[index]!
    for (const key of KEYS) {
      if (tail[key] === 0 || (rules['keep-above-contiguous'] && tail[key] > contiguous)) continue
      yield step(state, index, `evicts ${key}@${tail[key]}`, (instance) => {
        if (rules['evict-raises-floor']) instance.floor = Math.max(instance.floor, tail[key])
        instance.tail[key] = 0
        return []
      })
    }
  }

  function* jumps(state: ReadsState, index: number): Iterable<Step<ReadsState>> {
    const { log } = state
    // The re-read began at some head; more may have been committed since.
    for (let head = state.instances[index]!.contiguous + 2; head <= log.length; head++) {
      yield step(state, index, `gap too large: re-reads the watched key at head ${head}`, (instance) => {
        const breaks: string[] = []
        const revision = latest(log, 'watched', head)
        const missing = isAbsent(log, revision)
        if (rules['jump-rereads-watched'] && (!missing || rules['missing-is-deleted'])) {
          if (revision > instance.tail.watched && revision > instance.contiguous) {
            instance.tail.watched = revision
            breaks.push(...show(instance, revision))
          }
        }
        if (rules['jump-raises-floor']) instance.floor = Math.max(instance.floor, head)
        instance.contiguous = Math.max(instance.contiguous, head)
        instance.seen = instance.seen.filter((r) => r > instance.contiguous)
        advance(instance)
        return breaks
      })
    }
  }

  function* cachedReads(state: ReadsState, index: number): Iterable<Step<ReadsState>> {
    const { log } = state
    const instance = state.instances[index]!
    for (const key of KEYS) {
      for (const item of items(log, key)) {
        const believed = believes(instance, key, item)
        if (item.from === 'store' && isFresh(log, key, item) && !believed) {
          yield step(state, index, `reads ${key} afresh and refuses it`, () => [READ_INVARIANTS.refused])
        }
        if (!believed && (item.from === 'cache' || rules['check-when-answered'])) continue
        // Asking for the highest revision that is allowed is the hardest to please.
        const asked = rules['at-least'] ? item.asOf : log.length
        const what = `reads ${key}, at least ${asked}, from the ${item.from}: revision ${item.revision} as of ${item.asOf}`
        yield step(state, index, what, (i) => answer(i, log, key, item, asked))
      }
    }
  }

  function isFresh(log: LogRow[], key: Key, { asOf, revision }: Item): boolean {
    return asOf === log.length && revision === latest(log, key, asOf)
  }

  /** Every item the cache, or a statement begun at some time, may give for a key. */
  function* items(log: LogRow[], key: Key): Iterable<Item> {
    for (let asOf = 0; asOf <= log.length; asOf++) {
      const revision = latest(log, key, asOf)
      const isCut = false
      const told = isAbsent(log, revision) && !rules['absent-has-revision'] ? 0 : revision
      for (const from of ['cache', 'store'] as const) {
        yield { revision, told, isCut, asOf, from }
        if (options.isCut && revision > 0 && isAbsent(log, revision))
          yield { revision, told: 0, isCut: true, asOf, from }
      }
      // With a second statement for the head the entry is older than the head says.
      if (!rules['fill-one-statement'] && asOf < log.length)
        yield { revision, told, isCut, asOf: asOf + 1, from: 'store' }
      // A writer that vouches for more than its own revision: for all it happens to have seen.
      if (!rules['as-of-own-revision'] && revision > 0 && revision === asOf && asOf < log.length) {
        yield { revision, told, isCut, asOf: log.length, from: 'cache' }
      }
    }
  }

  function believes({ floor, tail, absentAsOf }: Instance, key: Key, { asOf }: Item): boolean {
    if (rules['believe-from-floor'] && asOf < floor) return false
    if (rules['absence-is-remembered'] && asOf < absentAsOf[key]) return false
    return !(rules['believe-unless-newer'] && tail[key] > asOf)
  }

  function answer(instance: Instance, log: LogRow[], key: Key, item: Item, asked: number): string[] {
    const breaks = judge(instance, log, key, item.revision, asked)
    if (key === 'watched' && !item.isCut) instance.due = Math.max(instance.due, item.revision)
    // Of a key that was never written there is nothing older.
    if (item.told === 0 && item.revision > 0)
      instance.absentAsOf[key] = Math.max(instance.absentAsOf[key], item.asOf)
    if (item.told > instance.contiguous && item.told > instance.tail[key] && rules['found-enters-tail']) {
      instance.tail[key] = item.told
      see(instance, item.told)
      if (key === 'watched' && rules['found-is-shown']) breaks.push(...show(instance, item.told))
    }
    return breaks
  }

  function* tailReads(state: ReadsState, index: number): Iterable<Step<ReadsState>> {
    const { log } = state
    const { tail, floor, contiguous, absentAsOf } = state.instances[index]!
    for (const key of KEYS) {
      const revision = tail[key]
      if (rules['absence-is-remembered'] && revision < absentAsOf[key]) continue
      if (revision === 0 || (rules['tail-answers-above-floor'] && revision <= floor)) continue
      const asked = rules['at-least'] ? Math.max(contiguous, revision) : log.length
      const what = `reads ${key}, at least ${asked}, from the Tail: revision ${revision}`
      yield step(state, index, what, (i) => {
        const breaks = judge(i, log, key, revision, asked)
        if (key === 'watched') i.due = Math.max(i.due, revision)
        return breaks
      })
    }
  }

  /** The client has its answer: what may it hold against it? */
  function judge(instance: Instance, log: LogRow[], key: Key, revision: number, asked: number): string[] {
    const breaks: string[] = []
    if (revision < instance.promised[key]) breaks.push(READ_INVARIANTS.stepBack)
    if (revision < latest(log, key, instance.contiguous)) breaks.push(READ_INVARIANTS.stale)
    if (revision < latest(log, key, asked)) breaks.push(READ_INVARIANTS.notAtLeast)
    instance.promised[key] = Math.max(instance.promised[key], revision)
    return breaks
  }

  function* starts(state: ReadsState, index: number): Iterable<Step<ReadsState>> {
    const { log } = state
    // Without the rule a change can be committed between reading the last changes and reading the head.
    const missed = rules['warm-head-first'] || log.length === 0 ? [0] : [0, 1]
    for (const late of missed) {
      const last = log.length - late
      for (let count = 0; count <= 2; count++) {
        yield step(state, index, `starts, warmed with ${count} changes up to ${last}`, (instance) => {
          instance.up = true
          instance.contiguous = log.length
          instance.floor = Math.max(0, last - count)
          for (let r = instance.floor + 1; r <= last; r++) instance.tail[log[r - 1]!.key] = r
          // Watchers come again and are given the present value.
          instance.shown = latest(log, 'watched', log.length)
          return []
        })
      }
    }
  }

  function broken({ log, instances }: ReadsState): string[] {
    for (const instance of instances) {
      if (!instance.up) continue
      const due = Math.max(
        latest(log, 'watched', instance.contiguous),
        rules['tail-before-ack'] ? instance.due : 0,
      )
      if (instance.shown < due) return [READ_INVARIANTS.notShown]
      if (!canReachHead(instance, log)) return [READ_INVARIANTS.stuck]
    }
    return []
  }

  /** The bus may lose everything from here on: gap fills, started by a gap or by the poll, must do. */
  function canReachHead(instance: Instance, log: LogRow[]): boolean {
    const copy = { ...instance, tail: { ...instance.tail }, seen: [...instance.seen] }
    if (!rules['poll-head'] && copy.seen.length === 0) return copy.contiguous === log.length
    for (let r = copy.contiguous + 1; r <= log.length; r++) if (!copy.seen.includes(r)) accept(copy, log, r)
    return copy.contiguous === log.length
  }

  const initial = { log: [], instances: Array.from({ length: options.instances }, fresh) }
  return { initial, steps, broken, identity }
}

/** Two instances that changed places behave alike. */
function identity({ log, instances }: ReadsState): string {
  const texts = instances.map(
    ({ up, tail, floor, contiguous, seen, promised, due, absentAsOf, shown }) =>
      `${up}${tail.watched}${tail.other}${floor}${contiguous}${promised.watched}${promised.other}${due === promised.watched ? '' : `d${due}`}${absences(absentAsOf)}${shown}${seen.join('')}`,
  )
  return `${log.map(({ key, op }) => key[0]! + op[0]).join('')} ${texts.sort().join(' ')}`
}

/** Empty where nothing is cut from the log: this is most of what the search does. */
function absences({ watched, other }: Instance['absentAsOf']): string {
  return watched + other === 0 ? '' : `a${watched}${other}a`
}

function latest(log: LogRow[], key: Key, head: number): number {
  for (let revision = head; revision > 0; revision--) if (log[revision - 1]!.key === key) return revision
  return 0
}

function isAbsent(log: LogRow[], revision: number): boolean {
  return revision === 0 || log[revision - 1]!.op === 'delete'
}

function see(instance: Instance, revision: number): void {
  if (revision <= instance.contiguous || instance.seen.includes(revision)) return
  instance.seen = [...instance.seen, revision].sort((a, b) => a - b)
  advance(instance)
}

function advance(instance: Instance): void {
  while (instance.seen[0] === instance.contiguous + 1) {
    instance.contiguous++
    instance.seen.shift()
  }
}
