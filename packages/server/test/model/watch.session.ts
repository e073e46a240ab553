import type { WatchRules } from './watch.rules.ts'
import {
  beginSnapshot,
  type Cursor,
  isGone,
  KEYS,
  type Key,
  latest,
  neverShown,
  nothing,
  type Watch,
  type WatchState,
} from './watch.state.ts'

export const WATCH_INVARIANTS = {
  backwards: 'the client sees a key go backwards',
  resurrected: 'the client sees a value that is older than the delete behind an absence it was shown',
  older: 'a snapshot shows an older state than was shown before',
  twice: 'one connection shows a change that its snapshot has shown already',
  stuck: 'the client cannot reach the last state any more',
} as const

/** One connection of the client and its watch. All functions change the state and return what they break. */
export interface SessionSteps {
  connect(state: WatchState, on: number): void
  /** Reads the next page of the snapshot; `asOf`: the head it is read at. */
  readPage(state: WatchState, key: Key, asOf: number, head?: number): void
  readPageFromTail(state: WatchState, key: Key): void
  maySendPage(state: WatchState, key: Key): boolean
  sendPage(state: WatchState, key: Key): string[]
  resumesFrom(state: WatchState): 'the Tail' | 'the log' | 'a snapshot' | undefined
  readLog(state: WatchState): void
  mayResumeFromLog(state: WatchState): boolean
  resume(state: WatchState): void
  maySendChange(state: WatchState, key: Key): boolean
  sendChange(state: WatchState, key: Key): string[]
  cursorNow(state: WatchState): Cursor
}

export function sessionSteps(rules: WatchRules, cursorsApart: boolean): SessionSteps {
  const instanceOf = (state: WatchState) => state.instances[state.watch!.on]!

  function connect(state: WatchState, on: number): void {
    const { cursor } = state.client
    const watch: Watch = {
      on,
      phase: cursor ? 'waiting' : 'snapshot',
      joined: rules['join-first'],
      pending: nothing(),
      pages: { a: null, b: null },
      changed: { a: false, b: false },
      high: cursor && rules['high-from-cursor'] ? cursor.high : 0,
      since: cursor,
    }
    state.watch = watch
    const { client, store } = state
    if (client.store !== store && rules['answer-names-store']) client.shown = neverShown()
    client.store = store
    if (cursor === null) return
    const otherStore = cursor.store !== state.store && rules['other-store-resets']
    const aboveHead = cursor.high > state.log.length && rules['above-head-resets']
    if (otherStore || aboveHead) {
      if (rules['reset-drops-held']) state.client.shown = neverShown()
      watch.since = null
      watch.high = 0
      beginSnapshot(state, rules)
    }
  }

  function readPage({ watch, log }: WatchState, key: Key, asOf: number, head = asOf): void {
    watch!.pages[key] = { revision: latest(log, key, asOf), head, sent: false }
  }

  function readPageFromTail(state: WatchState, key: Key): void {
    const { tail, contiguous } = instanceOf(state)
    state.watch!.pages[key] = { revision: tail[key], head: Math.max(tail[key], contiguous), sent: false }
  }

  function maySendPage(state: WatchState, key: Key): boolean {
    const { a, b } = state.watch!.pages
    const page = key === 'a' ? a : b
    if (page === null || page.sent || (key === 'b' && !a!.sent)) return false
    // What comes from the Tail is the instance's own; what comes from the store may be ahead of it.
    const { contiguous, tail } = instanceOf(state)
    return !rules['wait-for-head'] || contiguous >= page.head || tail[key] >= page.head
  }

  function sendPage(state: WatchState, key: Key): string[] {
    const { log, client } = state
    const watch = state.watch!
    const page = watch.pages[key]!
    const breaks: string[] = []
    if (watch.pending[key] <= page.head && rules['release-above-page']) watch.pending[key] = 0
    watch.pages[key] = { ...page, sent: true }
    if (!isGone(log, key, page.revision)) {
      breaks.push(...show(state, key, page.revision, WATCH_INVARIANTS.older))
      watch.high = Math.max(watch.high, page.revision)
    }
    if (rules['high-from-snapshot']) watch.high = Math.max(watch.high, page.head)
    if (key === 'b') {
      for (const each of KEYS) {
        const { revision } = watch.pages[each]!
        if (!isGone(log, each, revision)) continue
        if (watch.changed[each] && rules['end-spares-changed']) continue
        const before = latest(log, each, client.shown[each].revision)
        if (revision < before && !watch.changed[each]) breaks.push(WATCH_INVARIANTS.older)
        client.shown[each] = { revision, isAbsence: true }
      }
      watch.joined = true
      goLive(state)
      client.cursor = cursorNow(state)
    }
    return breaks
  }

  function goLive({ watch }: WatchState): void {
    watch!.phase = 'live'
    watch!.joined = true
    watch!.pages = { a: null, b: null }
    watch!.changed = { a: false, b: false }
    watch!.since = null
  }

  /** Where a waiting watch gets what changed; undefined: it has to wait. */
  function resumesFrom(state: WatchState): 'the Tail' | 'the log' | 'a snapshot' | undefined {
    const { high, low } = state.watch!.since!
    const { contiguous, floor } = instanceOf(state)
    if (rules['resume-waits-for-high'] && contiguous < high) return undefined
    if (low >= floor || !rules['resume-from-tail-above-floor']) return 'the Tail'
    return low < state.cut && rules['cut-log-snapshots'] ? 'a snapshot' : 'the log'
  }

  /** The first half of resuming from the log. */
  function readLog({ watch, log, cut }: WatchState): void {
    for (const key of KEYS) {
      const revision = latest(log, key, log.length)
      watch!.pages[key] = { revision: revision > cut ? revision : 0, head: log.length, sent: false }
    }
  }

  function mayResumeFromLog(state: WatchState): boolean {
    const page = state.watch!.pages.a
    return page !== null && (!rules['wait-for-head'] || instanceOf(state).contiguous >= page.head)
  }

  function resume(state: WatchState): void {
    const watch = state.watch!
    const since = watch.since!
    const { tail } = instanceOf(state)
    const low = rules['resume-from-low'] ? since.low : since.high
    for (const key of KEYS) {
      const page = watch.pages[key]
      const revision = page ? page.revision : tail[key]
      if (revision > low && revision > watch.pending[key]) watch.pending[key] = revision
    }
    goLive(state)
  }

  function maySendChange({ watch }: WatchState, key: Key): boolean {
    if (!watch || watch.pending[key] === 0 || watch.phase === 'waiting') return false
    return watch.phase === 'live' || watch.pages[key]?.sent === true || !rules['change-after-page']
  }

  function sendChange(state: WatchState, key: Key): string[] {
    const watch = state.watch!
    const revision = watch.pending[key]
    watch.pending[key] = 0
    const breaks: string[] =
      watch.pages[key]?.sent && watch.pages[key].revision === revision ? [WATCH_INVARIANTS.twice] : []
    breaks.push(...show(state, key, revision, WATCH_INVARIANTS.backwards))
    if (rules['high-is-delivered']) watch.high = Math.max(watch.high, revision)
    if (watch.phase === 'snapshot') watch.changed[key] = true
    else if (!cursorsApart) state.client.cursor = cursorNow(state)
    return breaks
  }

  function show({ client, log }: WatchState, key: Key, revision: number, otherwise: string): string[] {
    const before = client.shown[key]
    const isFiltered = cursorsApart && rules['client-drops-older'] && !before.isAbsence
    if (isFiltered && revision < before.revision) return []
    // An absence that was read at a head counts as the delete that it stands for.
    if (latest(log, key, revision) < latest(log, key, before.revision)) {
      return [before.isAbsence ? WATCH_INVARIANTS.resurrected : otherwise]
    }
    client.shown[key] = { revision, isAbsence: false }
    return []
  }

  function cursorNow(state: WatchState): Cursor {
    const { log } = state
    const { high, pending } = state.watch!
    const { contiguous, seen } = instanceOf(state)
    let low = rules['low-from-contiguous'] ? contiguous : Math.max(contiguous, ...seen)
    for (const key of KEYS) {
      if (pending[key] === 0) continue
      if (rules['low-below-pending']) low = Math.min(low, pending[key] - 1)
      const isOfUnknownRevision = log[pending[key] - 1]?.key !== key
      if (isOfUnknownRevision && rules['low-below-unknown']) low = 0
    }
    return { store: state.store, low, high: Math.max(low, high) }
  }

  return {
    connect,
    readPage,
    readPageFromTail,
    maySendPage,
    sendPage,
    resumesFrom,
    readLog,
    mayResumeFromLog,
    resume,
    maySendChange,
    sendChange,
    cursorNow,
  }
}
