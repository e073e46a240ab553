import { HEAD } from './rows.ts'

/**
 * Which store a connection leads to, so that one whose log may be another one is never taken for the one that it was:
 *
 *   a standby took over (it may lack the newest writes)        another timeline
 *   a dump was restored, wherever to                           another home (0004-home.ts); at the next start a new UUID
 *   a disk or directory was put back to an older state         a head below a revision that was committed; a new UUID
 *
 * The last one can be told only by an instance that has seen more, or by a client's cursor: if the log has grown past
 * what was lost before any of them comes, nothing tells (docs/operations.md says what to do after such a restore).
 *
 * Fails on a server that is a standby still.
 */
export const STORE_IDENTITY = {
  name: 'livekv-identity',
  text: `select store_id || '.' || ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::integer as "storeId",
    livekv_home() as home, ${HEAD} as head, current_setting('server_version') as version from store`,
}

/** Run when the tables are there: what was brought from elsewhere gets an identity of its own. */
export const SETTLE_HOME = `update store set home = livekv_home(),
    store_id = case when home is null then store_id else gen_random_uuid() end
  where home is distinct from livekv_home()`

/** Of a log that has lost its end: revisions that clients, caches and topics know will be given again. */
export const RENEW_IDENTITY = {
  name: 'livekv-renew-identity',
  text: 'update store set store_id = gen_random_uuid() where store_id = $1::uuid',
}

export interface StoreIdentity {
  /** `uuid.timeline` */
  storeId: string
  home: string
  /** Null while a restore has not filled the table yet. */
  head: number | null
  version: string
}

type Query = (statement: { name: string; text: string }, values: unknown[]) => Promise<unknown>

/** The store this process began with, and what it must have at least. */
export class KnownStore {
  readonly storeId: string
  readonly #home: string
  #head: number

  constructor({ storeId, home, head }: StoreIdentity) {
    this.storeId = storeId
    this.#home = home
    this.#head = head ?? 0
  }

  /** Every statement begun from now on finds at least this. */
  get head(): number {
    return this.#head
  }

  /** A revision is known to be committed. */
  noteHead(revision: number): void {
    if (revision > this.#head) this.#head = revision
  }

  /**
   * `leastHead`: what `head` was before the question was sent. `shorter`: this store, but its log has lost its end, which
   * nobody could tell later.
   */
  compare(found: StoreIdentity | undefined, leastHead: number): 'same' | 'shorter' | 'another' {
    if (found?.storeId !== this.storeId || found.home !== this.#home) return 'another'
    return (found.head ?? 0) < leastHead ? 'shorter' : 'same'
  }

  /** After it nobody takes what is there for this store. Nothing happens if it is another one already. */
  async disown(query: Query): Promise<void> {
    await query(RENEW_IDENTITY, [this.storeId.split('.')[0]])
  }
}
