/**
 * What the client knows about being up to date.
 *
 * - `live`: connected, the server was heard a moment ago, and every watch is current.
 * - `catching-up`: what is shown may be behind, and the client is on its way: the first connection, a snapshot or
 *   the changes since the last connection are under way.
 * - `offline`: the server is not reached. The client goes on trying; a dead link is known within 10 s.
 */
export interface ConnectionState {
  readonly name: 'live' | 'catching-up' | 'offline'
  /** Since when, in ms since 1970 by this device's clock. For `offline`: when the server was last heard. */
  readonly since: number
  /** Why it is offline, for people. */
  readonly reason?: string
}
