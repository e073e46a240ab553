import { batch, signal } from '@preact/signals'
import { getEntries, getHistory, getStoreId, type KeyState } from '../src/api.ts'
import { numericText } from '../src/json-text.ts'
import { connectLive } from '../src/live-connection.ts'
import { throttled } from '../src/throttled.ts'

export interface Point {
  revision: number
  time: number
  /** Decimal text as written. */
  text: string
}

const MAX_POINTS = 200
/** Changes are shown at most this often, however fast they come. */
const SHOW_EVERY_MS = 50

interface Wanted {
  withHistory: boolean
  seen: number
}

/**
 * One key as its viewer shows it.
 *
 * Each (re)connection: identity of the store, then entry and history are read; changes that arrive meanwhile are
 * merged by revision, so that the state shown only moves forward. Another store makes all that was held void.
 */
export function watchKey(key: string) {
  const state = signal<KeyState | undefined>(undefined)
  const points = signal<Point[]>([])
  const error = signal<unknown>(undefined)
  const historyError = signal<unknown>(undefined)
  let storeId: string | undefined
  let arrived: KeyState[] = []
  let wanted: Wanted | undefined
  let reading = false

  const show = throttled(SHOW_EVERY_MS, () => {
    const changes = arrived
    arrived = []
    batch(() => accept(changes, changes))
  })

  function accept(states: KeyState[], history: KeyState[]): void {
    for (const next of states) {
      if (state.value === undefined || next.revision >= state.value.revision) state.value = next
    }
    const known = new Map(points.value.map((point) => [point.revision, point]))
    for (const change of history) {
      const text = change.json === null ? undefined : numericText(change.json)
      if (text !== undefined)
        known.set(change.revision, { revision: change.revision, time: change.time, text })
    }
    points.value = [...known.values()].sort((a, b) => a.revision - b.revision).slice(-MAX_POINTS)
  }

  /** One read at a time; what is asked for meanwhile is read once more. `seen`: a revision known to exist. */
  async function read(withHistory: boolean, seen = 0): Promise<void> {
    wanted = {
      withHistory: withHistory || wanted?.withHistory === true,
      seen: Math.max(seen, wanted?.seen ?? 0),
    }
    if (reading) return
    reading = true
    while (wanted) {
      const { withHistory, seen }: Wanted = wanted
      wanted = undefined
      try {
        await readOnce(withHistory, seen)
        error.value = undefined
      } catch (reason) {
        error.value = reason
      }
    }
    reading = false
  }

  async function readOnce(withHistory: boolean, seen: number): Promise<void> {
    const id = withHistory ? await getStoreId().catch(() => undefined) : undefined
    if (id !== undefined && storeId !== undefined && id !== storeId) {
      state.value = undefined
      points.value = []
      arrived = []
    }
    storeId = id ?? storeId
    const history = withHistory
      ? await getHistory(key, MAX_POINTS).catch((reason: unknown) => ({ reason }))
      : []
    const last = Array.isArray(history) ? history.at(-1) : undefined
    const held = () => Math.max(seen, state.value?.revision ?? 0, last?.revision ?? 0)
    const entry = (await getEntries([key], held)).get(key)!
    batch(() => {
      if (withHistory) historyError.value = Array.isArray(history) ? undefined : history.reason
      accept([entry], [...(Array.isArray(history) ? history : []), entry])
    })
  }

  const connection = connectLive({
    key,
    onReady: () => void read(true),
    onChange: ({ value, timestamp, revision }) => {
      // Null is a value as well as a delete, and a number past 2^53 lost its digits on the way: the entry tells.
      if (value === null || (typeof value === 'number' && Math.abs(value) > Number.MAX_SAFE_INTEGER)) {
        void read(false, revision)
        return
      }
      arrived.push({ json: JSON.stringify(value), revision, at: timestamp, time: timestamp })
      if (arrived.length > MAX_POINTS) arrived.shift()
      show()
    },
  })
  void read(true)
  return { state, points, error, historyError, connection, retry: () => void read(true) }
}

export type WatchedKey = ReturnType<typeof watchKey>
