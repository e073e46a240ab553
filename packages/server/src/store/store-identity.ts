/**
 * Which store a connection leads to: the UUID made with it, and PostgreSQL's timeline, which changes when a standby takes
 * over (it may lack the newest writes) or a backup is restored. Fails on a server that is a standby still.
 */
export const STORE_IDENTITY = {
  name: 'livekv-identity',
  text: `select store_id || '.' || ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::integer as "storeId",
    current_setting('server_version') as version from store`,
}

export interface StoreIdentity {
  /** `uuid.timeline` */
  storeId: string
  version: string
}
