import { LiveKVError } from '@livekv/protocol'
import type { Database } from './database.ts'
import {
  bounded,
  CHANGE_COLUMNS,
  type ChangeRow,
  changeOf,
  firstOf,
  HEAD,
  isThere,
  timestamp,
} from './rows.ts'
import type { Change, HistoryQuery } from './store.ts'

/**
 * Reads of the log: a key's history by time or by revision, and everything since a revision.
 *
 * A key's changes are in two orders (0001-log.ts): those whose time is the commit's, for which order by time and by
 * revision agree, and those with a time of their own. A query takes as much as it wants from both and merges.
 */

/**
 * $1 key, $2 and $3 range in ms, $4 and $5 the position behind which to go on, $6 limit. Bounds that are not
 * given become infinite ones: `$2 is null or …` would be a filter on all rows of the key, not a bound of the search.
 */
export function timeSlice(order: 'asc' | 'desc'): string {
  const from = (parameter: string) => `coalesce(${timestamp(parameter)}, timestamptz '-infinity')`
  const to = (parameter: string) => `coalesce(${timestamp(parameter)}, timestamptz 'infinity')`
  const behind =
    order === 'asc'
      ? `(c.time, c.revision) > (${from('$4')}, coalesce($5::bigint, 0))`
      : `(c.time, c.revision) < (${to('$4')}, coalesce($5::bigint, ${Number.MAX_SAFE_INTEGER}))`
  const half = (own: string) => `(select c.* from changes c
     where c.key = $1 and c.time ${own} c.at and c.time >= ${from('$2')} and c.time < ${to('$3')} and ${behind}
     order by c.time ${order}, c.revision ${order} limit $6)`
  return `${half('=')} union all ${half('<>')} order by time ${order}, revision ${order} limit $6`
}

/**
 * $1 key, $2 from, $3 to (exclusive), $4 limit. Of the changes in their own order, those at or above a revision are
 * those at or above that revision's time, which bounds the search in the index.
 */
function revisionSlice(order: 'asc' | 'desc'): string {
  return `(select c.* from changes c where c.key = $1 and c.time = c.at and c.revision >= $2 and c.revision < $3
        and c.time >= (select b.at from changes b where b.revision >= $2 order by b.revision limit 1)
        and c.time <= (select b.at from changes b where b.revision < $3 order by b.revision desc limit 1)
      order by c.time ${order}, c.revision ${order} limit $4)
    union all
    (select c.* from changes c where c.key = $1 and c.time <> c.at and c.revision >= $2 and c.revision < $3
      order by c.revision ${order} limit $4)
    order by revision ${order} limit $4`
}

const BY_TIME = {
  asc: {
    name: 'livekv-history-time-asc',
    text: bounded(timeSlice('asc'), 'c', CHANGE_COLUMNS, 'c.time, c.revision'),
  },
  desc: {
    name: 'livekv-history-time-desc',
    text: bounded(timeSlice('desc'), 'c', CHANGE_COLUMNS, 'c.time desc, c.revision desc'),
  },
}
const BY_REVISION = {
  asc: {
    name: 'livekv-history-revision-asc',
    text: bounded(revisionSlice('asc'), 'c', CHANGE_COLUMNS, 'c.revision'),
  },
  desc: {
    name: 'livekv-history-revision-desc',
    text: bounded(revisionSlice('desc'), 'c', CHANGE_COLUMNS, 'c.revision desc'),
  },
}

const CHANGES_SINCE = {
  name: 'livekv-changes-since',
  text: `select ${HEAD} as head, (select compacted_through::float8 from store) as compacted, page.*
    from (select 1) as one left join lateral (${bounded(
      'select c.* from changes c where c.revision > $1 order by c.revision limit $2',
      'c',
      CHANGE_COLUMNS,
      'c.revision',
    )}) page on true`,
}

const COMPACTED = {
  name: 'livekv-compacted',
  text: 'select compacted_through::float8 as compacted from store',
}

export async function readHistory(
  database: Database,
  query: HistoryQuery,
): Promise<{ changes: Change[]; more: boolean }> {
  const limit = Math.min(query.limit, 1_000)
  const rows = await (query.by === 'time'
    ? byTime(database, query, limit + 1)
    : byRevision(database, query, limit + 1))
  const { page, more } = firstOf(rows, limit)
  return { changes: page.map(changeOf), more }
}

function byTime(database: Database, { key, from, to, order, after }: HistoryQuery, limit: number) {
  const values = [key, from ?? null, to ?? null, after?.time ?? null, after?.revision ?? null, limit]
  return database.run<ChangeRow>('bulk', BY_TIME[order], values)
}

async function byRevision(database: Database, { key, from, to, order, after }: HistoryQuery, limit: number) {
  const [row] = await database.run<{ compacted: number }>('bulk', COMPACTED, [])
  const compacted = row?.compacted ?? 0
  if (from !== undefined && from <= compacted && from > 0) throw compactedError(from, compacted)
  const lowest = order === 'asc' && after ? after.revision + 1 : (from ?? 0)
  const highest = order === 'desc' && after ? after.revision : (to ?? Number.MAX_SAFE_INTEGER)
  return database.run<ChangeRow>('bulk', BY_REVISION[order], [
    key,
    Math.max(lowest, from ?? 0),
    Math.min(highest, to ?? highest),
    limit,
  ])
}

export async function readChangesSince(
  database: Database,
  revision: number,
  limit: number,
  timeoutMs?: number,
): Promise<{ head: number; changes: Change[] }> {
  const rows = await database.ask<ChangeRow & { compacted: number }>(
    'bulk',
    CHANGES_SINCE,
    [revision, Math.min(limit, 5_000)],
    timeoutMs,
  )
  const { head = 0, compacted = 0 } = rows[0] ?? {}
  if (revision < compacted) throw compactedError(revision + 1, compacted)
  return { head, changes: rows.filter(isThere).map(changeOf) }
}

function compactedError(revision: number, compactedThrough: number): LiveKVError {
  return new LiveKVError(
    'REVISION_COMPACTED',
    `Revision ${revision} is no longer in the log: it begins at ${compactedThrough + 1}. Take a snapshot and go on from its revision.`,
    { compactedThrough },
  )
}
