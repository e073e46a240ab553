import pg from 'pg'
import type { Change, CommitResult, Entry, ReadResult, Write } from '../../src/store/store.ts'

/**
 * The smallest commits that could be mistaken for a store's, one write at a time, to try the checker of
 * serial-replay.ts on.
 *
 * Both run the same statement. `one statement`: as it is, so that the lock on the counter row is taken within the
 * snapshot that already saw the entries. `lock first`: in a function whose first statement takes the lock, so that
 * the snapshot is younger than the lock.
 */
export type TinyVariant = 'one statement' | 'lock first'

const TABLES = `
  create table entries(key text primary key, json text not null, revision bigint not null, at bigint not null);
  create table changes(revision bigint primary key, key text not null, json text, at bigint not null);
  create table counter(revision bigint not null, at bigint not null);
  insert into counter values (0, 0);`

/** $1 op, $2 key, $3 json or null, $4 ifRevision or null */
const STATEMENT = `
  with before as (
    select max(json) as json, coalesce(max(revision), 0) as revision from entries where key = $2
  ), decided as (
    select case
        when $4::bigint is not null and $4 <> revision then 'conflict'
        when $1 = 'delete' and revision = 0 then 'unchanged'
        else 'applied' end as status,
      revision as present,
      case $1 when 'put' then $3 when 'increment' then (coalesce(json, '0')::numeric + 1)::text end as json
    from before
  ), counted as (
    update counter set revision = counter.revision + 1,
      at = greatest(at, (extract(epoch from clock_timestamp()) * 1000)::bigint)
    where (select status from decided) = 'applied'
    returning revision, at
  ), logged as (
    insert into changes select counted.revision, $2, decided.json, counted.at from counted, decided
  ), kept as (
    insert into entries select $2, decided.json, counted.revision, counted.at from counted, decided
      where decided.json is not null
    on conflict (key) do update
      set json = excluded.json, revision = excluded.revision, at = excluded.at
  ), removed as (
    delete from entries using counted, decided where entries.key = $2 and decided.json is null
  )
  select decided.status, decided.present, decided.json, counted.revision, counted.at
  from decided left join counted on true`

const FUNCTION = `
  create function commit_one(text, text, text, bigint)
  returns table (status text, present bigint, json text, revision bigint, at bigint)
  language plpgsql volatile as $$
  #variable_conflict use_column
  begin
    perform 1 from counter for update;
    return query ${STATEMENT};
  end $$`

interface Row {
  status: 'applied' | 'unchanged' | 'conflict'
  present: string
  json: string | null
  revision: string
  at: string
}

export class TinyCommit {
  readonly #client: pg.Client
  readonly #statement: string

  private constructor(client: pg.Client, statement: string) {
    this.#client = client
    this.#statement = statement
  }

  static async install(url: string): Promise<void> {
    const client = new pg.Client(url)
    await client.connect()
    await client.query(TABLES)
    await client.query(FUNCTION)
    await client.end()
  }

  static async connect(url: string, variant: TinyVariant): Promise<TinyCommit> {
    const client = new pg.Client(url)
    await client.connect()
    return new TinyCommit(
      client,
      variant === 'one statement' ? STATEMENT : 'select * from commit_one($1, $2, $3, $4)',
    )
  }

  async commit(writes: readonly Write[]): Promise<CommitResult[]> {
    const results: CommitResult[] = []
    for (const write of writes) {
      const json = write.op === 'put' ? write.json : null
      const { rows } = await this.#client.query<Row>({
        name: 'commit',
        text: this.#statement,
        values: [write.op, write.key, json, write.ifRevision ?? null],
      })
      results.push(toResult(write.key, rows[0]!))
    }
    return results
  }

  async changesSince(revision: number, limit: number): Promise<{ head: number; changes: Change[] }> {
    const { rows } = await this.#client.query<Row & { key: string }>(
      'select * from changes where revision > $1 order by revision limit $2',
      [revision, limit],
    )
    const { rows: counters } = await this.#client.query<{ revision: string }>('select revision from counter')
    return { head: Number(counters[0]!.revision), changes: rows.map((row) => toChange(row.key, row)) }
  }

  async get(keys: readonly string[]): Promise<ReadResult> {
    const { rows } = await this.#client.query<Row & { key: string }>(
      'select * from entries where key = any($1)',
      [keys],
    )
    const entries = rows.map((row): [string, Entry] => [
      row.key,
      { ...toChange(row.key, row), json: row.json!, expiresAt: null },
    ])
    return { head: 0, entries: new Map(entries), absent: new Map() }
  }

  close(): Promise<void> {
    return this.#client.end()
  }
}

function toChange(key: string, row: Row): Change {
  const at = Number(row.at)
  return { key, revision: Number(row.revision), at, time: at, json: row.json }
}

function toResult(key: string, row: Row): CommitResult {
  if (row.status === 'applied') return { status: 'applied', change: toChange(key, row) }
  return { status: row.status, revision: Number(row.present) }
}
