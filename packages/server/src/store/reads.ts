import type { Database } from './database.ts'
import {
  bounded,
  CHANGE_COLUMNS,
  type ChangeRow,
  changeOf,
  ENTRY_COLUMNS,
  type EntryRow,
  entryOf,
  firstOf,
  HEAD,
  isThere,
} from './rows.ts'
import type { Change, Entry, ReadResult } from './store.ts'

/**
 * Reads of the latest state. Rule: fill-one-statement. Each takes the head in the same statement, so that it says as of
 * when it is true.
 */

/**
 * Rule: absent-has-revision. Of a key without an entry, the revision of its delete: the last of the two orders a key's
 * changes are kept in (0001-log.ts).
 */
const GET = {
  name: 'livekv-get',
  text: `select ${HEAD} as head, k.key as asked, e.*, d.deleted
    from unnest($1::text[]) as k(key)
    left join lateral (select ${ENTRY_COLUMNS} from entries e where e.key = k.key) e on true
    left join lateral (
      select greatest(
        (select c.revision from changes c where c.key = k.key and c.time = c.at order by c.time desc, c.revision desc limit 1),
        (select c.revision from changes c where c.key = k.key and c.time <> c.at order by c.revision desc limit 1)
      )::float8 as deleted where e.key is null
    ) d on true`,
}

/** With and without an upper bound: an optional one would be a filter on all keys behind, not a bound of the search. */
const list = (name: string, bound: string) => ({
  name,
  text: `select ${HEAD} as head, page.* from (select 1) as one left join lateral (${bounded(
    `select e.* from entries e where e.key > $1 and e.key >= $2 ${bound} order by e.key limit $3`,
    'e',
    ENTRY_COLUMNS,
    'e.key',
  )}) page on true`,
})
const LIST = list('livekv-list', '')
const LIST_PREFIX = list('livekv-list-prefix', 'and e.key < $4')

const LIST_REVISIONS = {
  name: 'livekv-list-revisions',
  text: `select ${HEAD} as head, e.key, e.revision from (select 1) as one left join lateral (
      select e.key, e.revision::float8 as revision from entries e where e.key > $1 order by e.key limit $2
    ) e on true`,
}

const LATEST_CHANGES = {
  name: 'livekv-latest-changes',
  text: `select ${HEAD} as head, page.* from (select 1) as one left join lateral (${bounded(
    'select c.* from changes c order by c.revision desc limit $1',
    'c',
    CHANGE_COLUMNS,
    'c.revision desc',
  )}) page on true`,
}

const HEAD_ONLY = { name: 'livekv-head', text: `select ${HEAD} as head` }

const EXPIRED = {
  name: 'livekv-expired',
  text: `select e.key, e.revision::float8 as revision from entries e
    where e.expires_at <= clock_timestamp() order by e.expires_at limit $1`,
}

export async function readKeys(database: Database, keys: readonly string[]): Promise<ReadResult> {
  const rows = await database.ask<EntryRow & { asked: string; deleted: number | null }>('read', GET, [keys])
  const entries = new Map<string, Entry>()
  const absent = new Map<string, number>()
  for (const row of rows) {
    if (row.key === null) absent.set(row.asked, row.deleted ?? 0)
    else entries.set(row.asked, entryOf(row))
  }
  return { head: rows[0]?.head ?? 0, entries, absent }
}

export async function readList(
  database: Database,
  { prefix = '', after = '', limit }: { prefix?: string; after?: string; limit: number },
) {
  const asked = Math.min(limit, 1_000)
  const end = prefixEnd(prefix)
  const values = [after, prefix, asked + 1]
  const rows = await (end === null
    ? database.ask<EntryRow>('bulk', LIST, values)
    : database.ask<EntryRow>('bulk', LIST_PREFIX, [...values, end]))
  const { page, more } = firstOf(rows.filter(isThere), asked)
  return { head: rows[0]?.head ?? 0, entries: page.map(entryOf), more }
}

export async function readRevisions(
  database: Database,
  { after = '', limit }: { after?: string; limit: number },
) {
  const rows = await database.run<{ head: number; key: string | null; revision: number }>(
    'bulk',
    LIST_REVISIONS,
    [after, Math.min(limit, 5_000)],
  )
  const keys: { key: string; revision: number }[] = []
  for (const { key, revision } of rows) if (key !== null) keys.push({ key, revision })
  return { head: rows[0]?.head ?? 0, keys }
}

export async function readLatestChanges(
  database: Database,
  limit: number,
): Promise<{ head: number; changes: Change[] }> {
  const rows = await database.run<ChangeRow>('bulk', LATEST_CHANGES, [Math.min(limit, 5_000)])
  return { head: rows[0]?.head ?? 0, changes: rows.filter(isThere).map(changeOf) }
}

export async function readHead(database: Database, timeoutMs?: number): Promise<{ head: number }> {
  const [row] = await database.ask<{ head: number | null }>('read', HEAD_ONLY, [], timeoutMs)
  return { head: row?.head ?? 0 }
}

export async function readExpired(
  database: Database,
  limit: number,
): Promise<{ key: string; revision: number }[]> {
  return database.run('read', EXPIRED, [Math.min(limit, 1_000)])
}

/** The least text above all that begin with the prefix, in byte order of UTF-8; null: there is none. */
export function prefixEnd(prefix: string): string | null {
  const points = [...prefix]
  while (points.length > 0) {
    const last = (points.pop() as string).codePointAt(0) as number
    // Byte order of UTF-8 is order of code points; surrogates are not code points of a text.
    if (last < 0x10ffff) return points.join('') + String.fromCodePoint(last === 0xd7ff ? 0xe000 : last + 1)
  }
  return null
}
