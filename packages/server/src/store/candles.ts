import type { Database } from './database.ts'
import { timeSlice } from './history.ts'
import type { Candle, CandleQuery, CandleResume } from './store.ts'

/**
 * Candles (open, high, low, close, count) of a numeric key, by `time`.
 *
 * One call reads one slice of at most ROWS_MAX changes. The last bucket of a full slice may go on in the next one, so
 * it travels in `resume` and is merged there; `limit` cuts between buckets.
 *
 * A value is numeric if it is a JSON number or a string that is a decimal number. Prices keep their digits, as
 * PostgreSQL's numeric does (`18.930`). Strings are looked at as they were written: decoding one with `\u0000` in it
 * fails the statement.
 */
/** A key's changes lie scattered over a long log: each may cost a page that is read from disk, 20 µs. */
const ROWS_MAX = 1_000

/** Longer ones are not prices, and numeric has its limits. As stored a value may be compressed, so both are asked. */
const DIGITS_MAX = 500

/**
 * The value's text, without quotes. Not unescaped: a decimal needs no escapes, and PostgreSQL refuses to unescape
 * `\u0000` or half a surrogate pair.
 */
const UNQUOTED = `btrim(btrim(c.value::text, E' \\t\\n\\r'), '"')`

/** Weeks begin on Monday. */
const WEEK_MS = 7 * 86_400_000
const A_MONDAY_MS = 4 * 86_400_000

const BUCKET = {
  millisecond: 'floor((c.ms - $8::float8) / $7::float8) * $7::float8 + $8::float8',
  month: `extract(epoch from make_interval(months => (floor(c.month / $7::float8) * $7::float8)::integer) + timestamp '0001-01-01') * 1000
    + 0 * $8::float8`,
} as const

function statement(unit: keyof typeof BUCKET): { name: string; text: string } {
  return {
    name: `livekv-candles-${unit}`,
    text: `with slice as materialized (
        select c.revision, c.op, c.time,
               (extract(epoch from c.time) * 1000)::float8 as ms,
               (extract(year from c.time at time zone 'UTC') * 12 + extract(month from c.time at time zone 'UTC') - 13)::float8 as month,
               case when c.op = 1 and pg_column_size(c.value) < ${DIGITS_MAX} and octet_length(c.value::text) < ${DIGITS_MAX} then ${UNQUOTED} end as text
          from (${timeSlice('asc')}) c
      ), numbers as (
        select c.revision, c.time, (${BUCKET[unit]})::float8 as bucket, c.text::numeric as price
          from slice c where c.text ~ '^-?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]{1,3})?$'
      ), buckets as (
        select n.bucket, min(n.price) as low, max(n.price) as high, count(*)::integer as count,
               (array_agg(n.price order by n.time, n.revision))[1] as open,
               (array_agg(n.price order by n.time desc, n.revision desc))[1] as close
          from numbers n where abs(n.price) <= 1.7976931348623157e308 group by n.bucket
      )
      select s.rows, s.revision, s.ms, b.bucket, b.open::text, b.high::text, b.low::text, b.close::text, b.count
        from (
          select count(*)::integer as rows, (array_agg(revision::float8 order by time desc, revision desc))[1] as revision,
                 max(ms) as ms from slice
        ) s left join buckets b on true order by b.bucket`,
  }
}

const STATEMENTS = { millisecond: statement('millisecond'), month: statement('month') }

interface CandleRow extends Omit<Candle, 'time'> {
  rows: number
  revision: number | null
  ms: number | null
  bucket: number | null
}

export async function readCandles(
  database: Database,
  { key, interval, from, to, limit, resume }: CandleQuery,
): Promise<{ candles: Candle[]; resume?: CandleResume }> {
  const width = interval.count
  const origin = interval.unit === 'millisecond' && width % WEEK_MS === 0 ? A_MONDAY_MS : 0
  const rows = await database.run<CandleRow>('bulk', STATEMENTS[interval.unit], [
    key,
    from ?? null,
    to ?? null,
    resume?.after.time ?? null,
    resume?.after.revision ?? null,
    ROWS_MAX,
    width,
    origin,
  ])
  const candles: Candle[] = resume?.open ? [resume.open] : []
  for (const { bucket, open, high, low, close, count } of rows) {
    if (bucket === null) continue
    const last = candles.at(-1)
    if (last?.time === bucket)
      candles[candles.length - 1] = merge(last, { time: bucket, open, high, low, close, count })
    else candles.push({ time: bucket, open, high, low, close, count })
  }
  const { rows: read = 0, revision, ms } = rows[0] ?? {}
  if (candles.length > limit) return cutOff(candles, limit)
  if (read < ROWS_MAX || revision == null || ms == null) return { candles }
  const unfinished = candles.pop()
  return { candles, resume: { after: { time: ms, revision }, ...(unfinished ? { open: unfinished } : {}) } }
}

/** More buckets than wanted: goes on with the first one that is left, from its beginning. */
function cutOff(candles: Candle[], limit: number): { candles: Candle[]; resume: CandleResume } {
  const next = candles[limit] as Candle
  return {
    candles: candles.slice(0, limit),
    resume: { after: { time: next.time - 1, revision: Number.MAX_SAFE_INTEGER } },
  }
}

function merge(earlier: Candle, later: Candle): Candle {
  return {
    time: earlier.time,
    open: earlier.open,
    high: Number(later.high) > Number(earlier.high) ? later.high : earlier.high,
    low: Number(later.low) < Number(earlier.low) ? later.low : earlier.low,
    close: later.close,
    count: earlier.count + later.count,
  }
}
