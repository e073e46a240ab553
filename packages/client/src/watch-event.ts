import type { Entry, Json } from '@livekv/protocol'
import type { ConnectionState } from './connection-state.ts'
import type { LiveKVError } from './error.ts'

/** An entry whose value is known to be of a type. The client does not check it. */
export type EntryOf<V = Json> = Omit<Entry, 'value'> & { value: V }

/** A key has this value now. */
export type WatchPut<V = Json> = EntryOf<V> & {
  type: 'put'
  /** It is part of the state that the watch began (or began again) with, not news. */
  initial: boolean
}

/** A key has no value any more. */
export interface WatchDelete {
  type: 'delete'
  key: string
  value: undefined
  /** Of the delete; when only the absence is known, that of the value that was shown (after a reset 0). */
  revision: number
  /** Absent when only the absence is known: it was deleted while the client was away. */
  updatedAt?: string
  time?: string
}

export type WatchChange<V = Json> = WatchPut<V> | WatchDelete

/**
 * What a watcher is told, in order. For every key revisions only rise, except across a `reset`.
 *
 * `reset`: the store is another one (restored, replaced) or no longer has the changes since: what was shown is void, its
 * revisions too. The whole state follows as initial puts, then deletes of the keys that are gone, then `current`.
 * `current`: everything up to now was shown; after the first snapshot and after each reconnection.
 * `state`: the client's connection, at the start and at each change.
 * `error`: the server refuses the watch; nothing follows.
 */
export type WatchEvent<V = Json> =
  | WatchChange<V>
  | { type: 'reset' }
  | { type: 'current' }
  | { type: 'state'; state: ConnectionState }
  | { type: 'error'; error: LiveKVError }
