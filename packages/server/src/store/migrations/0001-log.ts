/**
 * The tables, as design: `changes` is the log and the history, `entries` its fold, `counter` the one row that puts
 * all commits in one order.
 *
 * No index on a column of `entries` that every write changes: it would end HOT updates. `expires_at` is indexed only
 * where it is set.
 *
 * Idempotency tokens are in two tables that take turns: the older one is emptied whole, which leaves nothing to delete
 * row by row and nothing to vacuum.
 *
 * Three partial indexes on `changes`, of which an ordinary row is in one and a row with a time of its own in two: for
 * rows whose `time` is the commit's, order by time and order by revision are the same, so one index serves both.
 * (Two full indexes cost a quarter of the write rate: 40k rows/s against 53k, batches of 500 over 5,000 keys on
 * PostgreSQL 15, 2 cores.)
 */
export const log = `
create table store (
  id integer primary key check (id = 1),
  store_id uuid not null,
  compacted_through bigint not null default 0,
  token_slot smallint not null default 0,
  token_slot_since timestamptz not null default now()
);
insert into store (id, store_id) values (1, gen_random_uuid());

create table counter (
  id integer primary key check (id = 1),
  revision bigint not null,
  at timestamptz not null
) with (fillfactor = 50);
insert into counter (id, revision, at) values (1, 0, 'epoch');

create table writers (
  instance uuid primary key,
  epoch bigint not null,
  last_batch bigint not null,
  result text,
  seen_at timestamptz not null default now()
) with (fillfactor = 50);

create table entries (
  key text collate "C" primary key,
  value json not null,
  revision bigint not null,
  at timestamptz not null,
  time timestamptz not null,
  expires_at timestamptz
) with (fillfactor = 70);
create index entries_expiry on entries (expires_at) where expires_at is not null;

create table changes (
  revision bigint primary key,
  key text collate "C" not null,
  op smallint not null,
  value json,
  at timestamptz not null,
  time timestamptz not null
) partition by range (revision);
create index changes_own on changes (key, time, revision) where time = at;
create index changes_timed on changes (key, time, revision) where time <> at;
create index changes_timed_revision on changes (key, revision) where time <> at;

create table idempotency (
  slot smallint not null,
  token text collate "C" not null,
  hash text not null,
  at timestamptz not null,
  revision bigint,
  note text,
  primary key (token, slot)
) partition by list (slot);
create table idempotency_0 partition of idempotency for values in (0);
create table idempotency_1 partition of idempotency for values in (1);
`
