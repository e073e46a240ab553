import type { Json } from '@livekv/client'
import { batch, signal } from '@preact/signals'
import { client } from '../src/live.ts'
import { numericText } from '../src/numeric-text.ts'
import { throttled } from '../src/throttled.ts'

/** The key after one of its changes. */
export interface KeyState {
  /** 0: no change of it is known. */
  revision: number
  /** The value's text as it was written; null: it has no value. */
  json: string | null
  /** When it was committed, and the source's own time of the value: ms since 1970, NaN if not known. */
  at: number
  time: number
}

export interface Point {
  revision: number
  time: number
  /** Decimal text as written. */
  text: string
}

const UNKNOWN: KeyState = { revision: 0, json: null, at: Number.NaN, time: Number.NaN }
const MAX_POINTS = 200
/** Changes are shown at most this often, however fast they come. */
const SHOW_EVERY_MS = 50

/**
 * One key as its viewer shows it.
 *
 * watch -> changes … current -> history is read, and joined with the changes by revision -> changes …
 *
 * History is read only once the watch is current (and again after each reconnection): what was committed before is in
 * the history, what comes after is in the watch, and what is in both has the same revision. After a reset
 * everything that was held is void.
 */
export function watchKey(key: string) {
  const state = signal<KeyState | undefined>(undefined)
  const before = signal<KeyState | undefined>(undefined)
  const points = signal<readonly Point[]>([])
  const error = signal<unknown>(undefined)
  const historyError = signal<unknown>(undefined)
  const resetAt = signal<number | undefined>(undefined)
  /** What is known; it is shown at most SHOW_EVERY_MS later. */
  let now: KeyState | undefined
  let previous: KeyState | undefined
  let arrived: Point[] = []
  let reads = 0

  const show = throttled(SHOW_EVERY_MS, () =>
    batch(() => {
      state.value = now
      before.value = previous
      if (arrived.length > 0) points.value = joined(points.value, arrived)
      arrived = []
    }),
  )

  function start(): void {
    error.value = undefined
    client.watch({ key }, (event) => {
      if (event.type === 'put') moveTo(stateOf(event))
      else if (event.type === 'delete') {
        // Of a key that was void already, by a reset, this says nothing.
        if (now) moveTo(stateOf(event))
      } else if (event.type === 'reset') reset()
      else if (event.type === 'current') {
        now ??= UNKNOWN
        show()
        void readHistory()
      } else if (event.type === 'error') error.value = event.error
    })
  }

  function moveTo(next: KeyState): void {
    if (now && now.revision < next.revision) previous = now
    now = next
    const point = pointOf(next)
    if (point) arrived.push(point)
    if (arrived.length > 2 * MAX_POINTS) arrived = joined([], arrived)
    show()
  }

  function reset(): void {
    reads++
    now = previous = undefined
    arrived = []
    batch(() => {
      points.value = []
      historyError.value = undefined
      resetAt.value = Date.now()
    })
    show()
  }

  async function readHistory(): Promise<void> {
    const mine = ++reads
    try {
      const [latest, last] = await Promise.all([
        client.history(key, { by: 'time', order: 'desc', limit: MAX_POINTS }),
        client.history(key, { by: 'revision', order: 'desc', limit: 2 }),
      ])
      if (mine !== reads) return
      historyError.value = undefined
      arrived.push(...latest.items.flatMap((change) => pointOf(stateOf(change)) ?? []))
      fillIn(last.items.map((change) => stateOf(change)))
      show()
    } catch (reason) {
      if (mine === reads) historyError.value = reason
    }
  }

  /** What the watch does not tell: the value before the present one, and when an absent one was deleted. */
  function fillIn(steps: readonly KeyState[]): void {
    const [last] = steps
    if (now?.json === null && last?.json === null && last.revision >= now.revision) now = last
    const candidate = steps.find(({ revision }) => now && revision < now.revision)
    if (candidate && candidate.revision > (previous?.revision ?? -1)) previous = candidate
  }

  start()
  return { state, before, points, error, historyError, resetAt, retry: start, retryHistory: readHistory }
}

export type WatchedKey = ReturnType<typeof watchKey>

interface Step {
  revision: number
  /** Undefined after a delete. */
  value?: Json | undefined
  at?: string
  updatedAt?: string
  time?: string
}

function stateOf({ revision, value, at, updatedAt, time }: Step): KeyState {
  return {
    revision,
    json: value === undefined ? null : JSON.stringify(value),
    at: Date.parse(at ?? updatedAt ?? ''),
    time: Date.parse(time ?? ''),
  }
}

function pointOf({ revision, time, json }: KeyState): Point | undefined {
  const text = json === null ? undefined : numericText(json)
  return text === undefined ? undefined : { revision, time, text }
}

/** By the source's time: what is written late takes the place it belongs to. */
function joined(points: readonly Point[], more: readonly Point[]): Point[] {
  const byRevision = new Map([...points, ...more].map((point) => [point.revision, point]))
  return [...byRevision.values()]
    .sort((a, b) => a.time - b.time || a.revision - b.revision)
    .slice(-MAX_POINTS)
}
