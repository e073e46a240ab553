import type { WatchRules } from './watch.rules.ts'
import {
  beginSnapshot,
  type Instance,
  isGone,
  KEYS,
  type Key,
  latest,
  nothing,
  type WatchState,
} from './watch.state.ts'

/** What an instance does with changes, as far as its watches see it. All functions change the state they are given. */
export interface HubSteps {
  accept(state: WatchState, index: number, revision: number): void
  /** A read of a client met a change that the instance did not know. */
  find(state: WatchState, index: number, revision: number): void
  /** A change comes for which there is no room. */
  refuse(state: WatchState, index: number, revision: number): void
  jump(state: WatchState, index: number, head: number): void
  evict(state: WatchState, index: number, key: Key): void
  /** Comes up to the head with nothing but the log. */
  catchUp(state: WatchState, index: number): void
  start(state: WatchState, index: number, warmedWith: number): void
}

export function hubSteps(rules: WatchRules, snapshotsAgain: boolean): HubSteps {
  function emit({ watch }: WatchState, index: number, key: Key, revision: number): void {
    if (watch?.on === index && watch.joined) watch.pending[key] = revision
  }

  function accept(state: WatchState, index: number, revision: number): void {
    const instance = state.instances[index]!
    const { key } = state.log[revision - 1]!
    const old = revision <= instance.contiguous || revision <= instance.tail[key]
    if (!old || !rules['drop-older']) {
      instance.tail[key] = revision
      emit(state, index, key, revision)
    }
    if (!old || rules['own-seen-set']) see(instance, revision)
  }

  function find(state: WatchState, index: number, revision: number): void {
    if (rules['found-is-shown']) {
      accept(state, index, revision)
      return
    }
    const instance = state.instances[index]!
    const { key } = state.log[revision - 1]!
    if (revision > instance.contiguous && revision > instance.tail[key]) instance.tail[key] = revision
    see(instance, revision)
  }

  function refuse(state: WatchState, index: number, revision: number): void {
    if (!rules['full-takes-nothing']) see(state.instances[index]!, revision)
  }

  function jump(state: WatchState, index: number, head: number): void {
    const { log, cut, watch } = state
    const instance = state.instances[index]!
    const isRead =
      watch?.on === index &&
      (rules['jump-rereads-joining'] || watch.phase !== 'snapshot') &&
      rules['jump-rereads-watched']
    for (const key of KEYS) {
      let revision = latest(log, key, head)
      const missing = isGone(log, key, revision)
      // The log no longer has the delete: all that is known is the head at which the key was absent.
      if (missing && revision <= cut) revision = head
      if (!isRead || (missing && (snapshotsAgain || !rules['missing-is-deleted']))) continue
      if (revision <= instance.contiguous || revision <= instance.tail[key]) continue
      instance.tail[key] = revision
      emit(state, index, key, revision)
    }
    const to = rules['jump-to-read-head'] ? head : log.length
    if (rules['jump-raises-floor']) instance.floor = Math.max(instance.floor, to)
    instance.contiguous = Math.max(instance.contiguous, to)
    instance.seen = instance.seen.filter((revision) => revision > instance.contiguous)
    advance(instance)
    if (snapshotsAgain && watch?.on === index && rules['jump-snapshots-again']) beginSnapshot(state, rules)
  }

  function evict(state: WatchState, index: number, key: Key): void {
    const instance = state.instances[index]!
    if (rules['evict-raises-floor']) {
      const revision = Math.min(instance.tail[key], instance.contiguous)
      instance.floor = Math.max(instance.floor, revision)
    }
    instance.tail[key] = 0
  }

  function catchUp(state: WatchState, index: number): void {
    const instance = state.instances[index]!
    const head = state.log.length
    if (!rules['poll-head'] && instance.seen.length === 0) return
    if (instance.contiguous < state.cut) jump(state, index, head)
    for (let revision = instance.contiguous + 1; revision <= head; revision++) {
      if (!instance.seen.includes(revision)) accept(state, index, revision)
    }
  }

  function start(state: WatchState, index: number, warmedWith: number): void {
    const { log, cut } = state
    const floor = Math.max(cut, log.length - warmedWith)
    const instance: Instance = { tail: nothing(), floor, contiguous: log.length, seen: [] }
    for (let revision = floor + 1; revision <= log.length; revision++) {
      instance.tail[log[revision - 1]!.key] = revision
    }
    state.instances[index] = instance
  }

  return { accept, find, refuse, jump, evict, catchUp, start }
}

function see(instance: Instance, revision: number): void {
  if (revision <= instance.contiguous || instance.seen.includes(revision)) return
  instance.seen = [...instance.seen, revision].sort((x, y) => x - y)
  advance(instance)
}

function advance(instance: Instance): void {
  if (instance.seen[0] !== instance.contiguous + 1) return
  instance.seen = [...instance.seen]
  while (instance.seen[0] === instance.contiguous + 1) {
    instance.contiguous++
    instance.seen.shift()
  }
}
