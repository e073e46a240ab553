import type { Model, Step } from './explorer.ts'
import { hubSteps } from './watch.hub.ts'
import type { WatchRules } from './watch.rules.ts'
import { sessionSteps, WATCH_INVARIANTS } from './watch.session.ts'
import {
  beginSnapshot,
  copyOf,
  identity,
  isGone,
  KEYS,
  latest,
  neverShown,
  nothing,
  type WatchState,
} from './watch.state.ts'

/**
 * One client that watches two keys, over one or two instances and one log.
 *
 *   commit    anybody puts or deletes a key: one more revision in the log
 *   bring     the bus, a gap fill, the poll or a read brings an instance a revision: at any time, in any order, or never
 *   evict     the Tail is full, a key goes
 *   jump      the gap is too large or the log is cut: an instance re-reads what is watched and goes on from that head
 *   restart   an instance ends and starts again, with its Tail warmed from the log
 *   cut log   the oldest part of the log goes
 *   failover  a standby takes over that lacks the last changes: another store
 *   connect   the client watches on either instance, with its cursor if it has one
 *             -> snapshot: page by page, changes of pages already sent between them -> live
 *             -> waiting -> live, or a snapshot where the log is cut
 *   live      a pending change, with the cursor after it
 *   hang up   the connection is lost, with all that was not shown
 *
 * A key has one pending change at most: the newest.
 */
export interface WatchOptions {
  rules: WatchRules
  instances: 1 | 2
  maxWrites: number
  evictions?: boolean
  /** After a jump what was read again is shown, deletes too; or the watch is of a prefix and gets a new snapshot. */
  jumps?: 'shown' | 'snapshot'
  restarts?: boolean
  cuts?: boolean
  /** `as the same store`: nobody notices, and nothing is written before the client is back. */
  failover?: 'as another store' | 'as the same store'
  /** Changes come without a cursor, which comes later or is lost. */
  cursorsApart?: boolean
}

export function watchModel(options: WatchOptions): Model<WatchState> {
  const { rules, maxWrites } = options
  const hub = hubSteps(rules, options.jumps === 'snapshot')
  const session = sessionSteps(rules, options.cursorsApart ?? false)

  /** `change` works on a copy, and may return what it breaks. */
  function step(state: WatchState, label: string, change: (copy: WatchState) => unknown): Step<WatchState> {
    const copy = copyOf(state)
    const breaks = change(copy)
    return Array.isArray(breaks) ? { label, state: copy, breaks } : { label, state: copy }
  }

  function* steps(state: WatchState): Iterable<Step<WatchState>> {
    yield* storeSteps(state)
    for (let index = 0; index < state.instances.length; index++) yield* instanceSteps(state, index)
    if (state.watch === null) {
      for (let on = 0; on < state.instances.length; on++) {
        const { cursor } = state.client
        const since = cursor ? `, since ${cursor.low} to ${cursor.high}` : ''
        yield step(state, `the client watches on instance ${on + 1}${since}`, (copy) =>
          session.connect(copy, on),
        )
      }
      return
    }
    yield step(state, 'the connection is lost', hangUp)
    if (state.watch.phase === 'snapshot') yield* snapshotSteps(state)
    if (state.watch.phase === 'waiting') yield* resumeSteps(state)
    yield* changeSteps(state)
  }

  function* storeSteps(state: WatchState): Iterable<Step<WatchState>> {
    const { log, cut, store } = state
    const isLost = store > 0 && options.failover === 'as the same store'
    for (const key of log.length < maxWrites && !isLost ? KEYS : []) {
      for (const op of ['put', 'delete'] as const) {
        if (op === 'delete' && isGone(log, key, latest(log, key, log.length))) continue
        yield step(state, `revision ${log.length + 1}: ${op} ${key}`, (copy) => {
          copy.log = [...log, { key, op }]
        })
      }
    }
    if (options.cuts && cut === 0) {
      for (let to = 1; to <= log.length; to++) {
        yield step(state, `the log is cut up to ${to}`, (copy) => {
          copy.cut = to
        })
      }
    }
    // If nobody noticed, only a cursor can tell, and only one that is above the head then.
    const mayFail = options.failover === 'as another store' || state.client.cursor?.low === log.length
    if (options.failover && mayFail && store === 0) {
      for (let lost = 1; lost <= log.length; lost++) {
        yield step(state, `failover, ${lost} lost`, (copy) => failOver(copy, lost))
      }
    }
  }

  function failOver(state: WatchState, lost: number): void {
    state.log = state.log.slice(0, -lost)
    state.store = 1
    const { client } = state
    if (options.failover === 'as the same store' && client.cursor) {
      client.cursor = { ...client.cursor, store: 1 }
      client.store = 1
    }
    hangUp(state)
    for (let index = 0; index < state.instances.length; index++) hub.start(state, index, 0)
  }

  function* instanceSteps(state: WatchState, index: number): Iterable<Step<WatchState>> {
    const { log, cut, watch } = state
    const { contiguous, seen, tail } = state.instances[index]!
    const name = `instance ${index + 1}`
    for (let revision = contiguous + 1; revision <= log.length; revision++) {
      if (seen.includes(revision)) continue
      yield step(state, `${name} is brought revision ${revision}`, (copy) =>
        hub.accept(copy, index, revision),
      )
      // With the rule it is nothing else than not being brought it.
      if (!rules['full-takes-nothing'] && tail[log[revision - 1]!.key] === 0) {
        yield step(state, `${name} has no room for revision ${revision}`, (copy) =>
          hub.refuse(copy, index, revision),
        )
      }
      // With the rule it is nothing else than being brought it.
      if (rules['found-is-shown']) continue
      yield step(state, `${name}: a read finds revision ${revision}`, (copy) =>
        hub.find(copy, index, revision),
      )
    }
    for (const key of options.evictions ? KEYS : []) {
      if (tail[key] === 0 || (rules['keep-above-contiguous'] && tail[key] > contiguous)) continue
      yield step(state, `${name} evicts ${key}@${tail[key]}`, (copy) => hub.evict(copy, index, key))
    }
    for (let head = contiguous + 1; options.jumps && head <= log.length; head++) {
      if (head === contiguous + 1 && contiguous >= cut) continue
      yield step(state, `${name} re-reads what is watched at head ${head}`, (copy) =>
        hub.jump(copy, index, head),
      )
    }
    for (let count = 0; options.restarts && count <= Math.min(1, log.length); count++) {
      if (contiguous === log.length && watch?.on !== index) continue
      yield step(state, `${name} restarts, warmed with ${count} changes`, (copy) => {
        if (watch?.on === index) hangUp(copy)
        hub.start(copy, index, count)
      })
    }
  }

  function hangUp(state: WatchState): void {
    state.watch = null
  }

  function* snapshotSteps(state: WatchState): Iterable<Step<WatchState>> {
    const { log } = state
    const { pages, since, on } = state.watch!
    const next = KEYS.find((key) => pages[key] === null)
    if (next) {
      const head = log.length
      const read = (asOf: number, by: string, as = asOf) =>
        step(state, `page ${next} is read at head ${as}${by}`, (copy) =>
          session.readPage(copy, next, asOf, as),
        )
      yield read(head, '')
      if (!rules['snapshot-from-store']) {
        for (let asOf = 0; asOf < head; asOf++) yield read(asOf, ', from the cache')
      }
      if (!rules['page-head-together'] && head > 0) yield read(head - 1, ', its entries before', head)
      const { tail, floor, contiguous } = state.instances[on]!
      const covers = since !== null && contiguous >= since.high
      const isComplete = KEYS.every((key) => tail[key] > floor)
      if (isComplete && (covers || !rules['tail-snapshot-from-high'])) {
        yield step(state, `page ${next} is taken from the Tail`, (copy) =>
          session.readPageFromTail(copy, next),
        )
      }
    }
    for (const key of KEYS) {
      if (!session.maySendPage(state, key)) continue
      yield step(state, `the client gets page ${key}`, (copy) => session.sendPage(copy, key))
    }
  }

  function* resumeSteps(state: WatchState): Iterable<Step<WatchState>> {
    if (session.mayResumeFromLog(state)) {
      yield step(state, 'the watch resumes from the log', session.resume)
      return
    }
    const source = session.resumesFrom(state)
    if (source === 'the Tail') yield step(state, 'the watch resumes from the Tail', session.resume)
    if (source === 'the log' && state.watch!.pages.a === null)
      yield step(state, 'the log is read', session.readLog)
    if (source === 'a snapshot') {
      yield step(state, 'a snapshot is due', (copy) => beginSnapshot(copy, rules))
    }
  }

  function* changeSteps(state: WatchState): Iterable<Step<WatchState>> {
    const { pending, phase } = state.watch!
    for (const key of KEYS) {
      if (!session.maySendChange(state, key)) continue
      yield step(state, `the client gets ${key}@${pending[key]}`, (copy) => session.sendChange(copy, key))
      if (rules['cursor-after-changes'] || phase !== 'live') continue
      yield step(state, `the client gets the cursor of ${key}@${pending[key]}`, (copy) => {
        const sent = copyOf(copy)
        session.sendChange(sent, key)
        copy.client.cursor = session.cursorNow(sent)
      })
    }
    if (!options.cursorsApart || phase !== 'live') return
    yield step(state, 'the client gets a cursor', (copy) => {
      copy.client.cursor = session.cursorNow(copy)
    })
  }

  /** Nothing is committed any more, and the bus brings nothing: is the client shown the last state in the end? */
  function broken(state: WatchState): string[] {
    const starts = state.watch ? [state.watch.on] : state.instances.map((_, index) => index)
    return starts.every((on) => reachesLast(state, on)) ? [] : [WATCH_INVARIANTS.stuck]
  }

  function reachesLast(from: WatchState, on: number): boolean {
    const state = copyOf(from)
    const { log } = state
    if (state.watch === null) session.connect(state, on)
    hub.catchUp(state, on)
    const watch = state.watch!
    if (watch.phase === 'waiting') {
      if (watch.pages.a === null) {
        const source = session.resumesFrom(state)
        if (source === undefined) return false
        if (source === 'the log') session.readLog(state)
        if (source === 'a snapshot') beginSnapshot(state, rules)
      }
      if (watch.phase === 'waiting') {
        if (watch.pages.a !== null && !session.mayResumeFromLog(state)) return false
        session.resume(state)
      }
    }
    if (watch.phase === 'snapshot') {
      for (const key of KEYS) {
        if (watch.pages[key] === null) session.readPage(state, key, log.length)
        if (watch.pages[key]!.sent) continue
        if (!session.maySendPage(state, key)) return false
        session.sendPage(state, key)
      }
    }
    for (const key of KEYS) if (session.maySendChange(state, key)) session.sendChange(state, key)
    return KEYS.every((key) => {
      const { revision, isAbsence } = state.client.shown[key]
      const last = latest(log, key, log.length)
      return isGone(log, key, last)
        ? isAbsence || isGone(log, key, revision)
        : revision === last && !isAbsence
    })
  }

  const initial: WatchState = {
    log: [],
    cut: 0,
    store: 0,
    instances: Array.from({ length: options.instances }, () => ({
      tail: nothing(),
      floor: 0,
      contiguous: 0,
      seen: [],
    })),
    client: { shown: neverShown(), store: 0, cursor: null },
    watch: null,
  }
  return { initial, steps, broken, identity }
}
