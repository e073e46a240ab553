import type { WatchRules } from './watch.rules.ts'

/** What the watch model's world consists of; see watch.model.ts for what happens in it. */
export interface WatchState {
  /** `log[r - 1]` is the change of revision r. */
  log: LogRow[]
  /** Revisions up to it are no longer in the log. */
  cut: number
  /** The store's identity. */
  store: number
  instances: Instance[]
  client: Client
  /** The server's side of the client's watch, while it is connected. */
  watch: Watch | null
}

export type Key = 'a' | 'b'
export const KEYS: readonly Key[] = ['a', 'b']

export interface LogRow {
  key: Key
  op: 'put' | 'delete'
}

export interface Instance {
  /** Latest revision known per key; 0: not in the Tail. */
  tail: Record<Key, number>
  floor: number
  contiguous: number
  /** Revisions above `contiguous` that were seen. */
  seen: number[]
}

/** What the client was last shown of a key. */
export interface Shown {
  /** Of an absence: the revision that the absence stands for, which the client cannot know. -1: nothing yet. */
  revision: number
  isAbsence: boolean
}

export interface Cursor {
  store: number
  low: number
  high: number
}

export interface Client {
  shown: Record<Key, Shown>
  /** Which store that was. */
  store: number
  cursor: Cursor | null
}

/** What was read of one key, for a snapshot or (`revision` 0: nothing) of the log since a cursor. */
export interface Page {
  revision: number
  head: number
  sent: boolean
}

export interface Watch {
  /** Index of its instance. */
  on: number
  phase: 'snapshot' | 'waiting' | 'live'
  /** Whether the instance's changes reach it. */
  joined: boolean
  /** Newest change per key that was not sent yet; 0: none. */
  pending: Record<Key, number>
  pages: Record<Key, Page | null>
  /** Keys of which a change was sent since the snapshot began. */
  changed: Record<Key, boolean>
  high: number
  /** What it came with. */
  since: Cursor | null
}

export const nothing = (): Record<Key, number> => ({ a: 0, b: 0 })
export const neverShown = (): Record<Key, Shown> => ({
  a: { revision: -1, isAbsence: false },
  b: { revision: -1, isAbsence: false },
})

export function latest(log: LogRow[], key: Key, head: number): number {
  for (let revision = Math.min(head, log.length); revision > 0; revision--) {
    if (log[revision - 1]!.key === key) return revision
  }
  return 0
}

/** Whether the key has no value at that revision. Of another key's revision: read as absent as of that head. */
export function isGone(log: LogRow[], key: Key, revision: number): boolean {
  const row = log[revision - 1]
  return row === undefined || row.key !== key || row.op === 'delete'
}

export function copyOf(state: WatchState): WatchState {
  const { client, watch } = state
  return {
    ...state,
    instances: state.instances.map((instance) => ({ ...instance, tail: { ...instance.tail } })),
    client: { ...client, shown: { ...client.shown } },
    watch: watch && {
      ...watch,
      pending: { ...watch.pending },
      pages: { ...watch.pages },
      changed: { ...watch.changed },
    },
  }
}

/** The watch gets a snapshot, instead of a resume or once more; what is pending is held back for it. */
export function beginSnapshot({ watch, client }: WatchState, rules: WatchRules): void {
  watch!.phase = 'snapshot'
  watch!.pages = { a: null, b: null }
  watch!.changed = { a: false, b: false }
  if (rules['snapshot-forgets-cursor']) client.cursor = null
}

/** Instances are told apart only by whether the watch is on them. */
export function identity({ log, cut, store, instances, client, watch }: WatchState): string {
  const logged = log.map(({ key, op }) => (op === 'put' ? key : key.toUpperCase())).join('')
  const texts = instances.map(
    ({ tail, floor, contiguous, seen }) => `${tail.a}${tail.b}${floor}${contiguous}${seen.join('')}`,
  )
  const here = watch ? texts.splice(watch.on, 1) : []
  const { shown, cursor } = client
  const held = KEYS.map((key) => `${shown[key].revision}${shown[key].isAbsence ? 'n' : ''}`)
  return `${logged} ${cut}${store} ${here};${texts.sort()} ${held}${client.store} ${cursorText(cursor)} ${watch ? watchText(watch) : ''}`
}

function cursorText(cursor: Cursor | null): string {
  return cursor ? `${cursor.store}${cursor.low}${cursor.high}` : ''
}

function watchText({ phase, joined, pending, pages, changed, high, since }: Watch): string {
  const perKey = KEYS.map((key) => {
    const page = pages[key]
    return `${pending[key]}${changed[key] ? 'c' : ''}${page ? `${page.revision}${page.head}${page.sent ? 's' : ''}` : ''}`
  })
  return `${phase[0]}${joined ? 'j' : ''}${high} ${perKey} ${cursorText(since)}`
}
