import type { Change, Entry } from './store.ts'

/**
 * How rows leave the database: revisions and times as doubles (exact below 2^53), values as their text.
 */
const ms = (column: string, table: string) =>
  `(extract(epoch from ${table}.${column}) * 1000)::float8 as "${column}"`

export const ENTRY_COLUMNS = `e.key, e.value::text as json, e.revision::float8 as revision,
  ${ms('at', 'e')}, ${ms('time', 'e')}, (extract(epoch from e.expires_at) * 1000)::float8 as "expiresAt"`

export const CHANGE_COLUMNS = `c.key, case c.op when 1 then c.value::text end as json, c.revision::float8 as revision,
  ${ms('at', 'c')}, ${ms('time', 'c')}`

export const HEAD = '(select revision::float8 from counter where id = 1)'

/** A page of values is cut off behind this many bytes (as stored), so that no statement takes long. */
export const PAGE_BYTES_MAX = 1_048_576

export type EntryRow = Entry & { head: number; total: number }
export type ChangeRow = Change & { head: number; total: number }

export function entryOf({ key, json, revision, at, time, expiresAt }: EntryRow): Entry {
  return { key, json, revision, at, time, expiresAt }
}

export function changeOf({ key, json, revision, at, time }: Change): Change {
  return { key, json, revision, at, time }
}

/** ms since the epoch as a timestamptz, exact over the whole range of ours. */
export function timestamp(parameter: string): string {
  return `(timestamptz 'epoch' + ${parameter}::bigint * interval '1 millisecond')`
}

/**
 * The rows of `inner` (aliased as `alias`, with a `value`, in `order`, limited to one more than wanted) as far as
 * PAGE_BYTES_MAX go, and how many there were (`total`). At least one comes. Values are read from their toast only for
 * the rows that are given.
 */
export function bounded(inner: string, alias: string, columns: string, order: string): string {
  return `select ${columns}, ${alias}.total from (
      select ${alias}.*, count(*) over ()::integer as total,
             sum(pg_column_size(${alias}.value)) over (order by ${order} rows between unbounded preceding and 1 preceding) as before
        from (${inner}) ${alias}
    ) ${alias} where coalesce(${alias}.before, 0) < ${PAGE_BYTES_MAX} order by ${order}`
}

/** Of rows got by `bounded` the wanted ones, and whether there are more. */
export function firstOf<Row extends { total: number }>(
  rows: readonly Row[],
  limit: number,
): { page: readonly Row[]; more: boolean } {
  const page = rows.length > limit ? rows.slice(0, limit) : rows
  return { page, more: (rows[0]?.total ?? 0) > page.length }
}

/** A statement that always gives the head gives one row of nulls beside it when it found nothing. */
export function isThere(row: { key: string | null }): boolean {
  return row.key !== null
}
