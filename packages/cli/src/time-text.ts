/**
 * Times as people write them in files and on the command line. What has no zone is UTC, whatever the machine's
 * zone, so that a file means the same everywhere; what can be read in two ways (`3/4/2000`, bare numbers) is refused.
 */
import { shown } from './failure.ts'

export const TIME_FORMATS = ['auto', 's', 'ms'] as const
export type TimeFormat = (typeof TIME_FORMATS)[number]

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const ISO =
  /^(\d{4})-(\d\d)(?:-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s?(Z|[+-]\d\d(?::?\d\d)?)?)?)?$/i
const MONTH_FIRST = /^([a-z]{3,9})\.? (\d{1,2}),? (\d{4})$/i
const DAY_FIRST = /^(\d{1,2})[ -]([a-z]{3,9})\.?[ -](\d{4})$/i

/** Milliseconds since the epoch; throws an `Error` that names the text and the remedy. */
export function parseTime(text: string, format: TimeFormat = 'auto'): number {
  const trimmed = text.trim()
  if (format !== 'auto') return epoch(trimmed, format)
  const iso = ISO.exec(trimmed)
  if (iso) return fromIso(trimmed, iso)
  const named = MONTH_FIRST.exec(trimmed)
  if (named) return date(trimmed, Number(named[3]), monthOf(trimmed, named[1]!), Number(named[2]))
  const dayFirst = DAY_FIRST.exec(trimmed)
  if (dayFirst) return date(trimmed, Number(dayFirst[3]), monthOf(trimmed, dayFirst[2]!), Number(dayFirst[1]))
  if (/^-?\d+(\.\d+)?$/.test(trimmed))
    throw new Error(
      `the time ${shown(trimmed)} is a bare number; say what it counts with --time-format s or --time-format ms`,
    )
  throw new Error(
    `the time ${shown(text)} is not understood; write it as 2000-01-31, 2000-01-31T09:30:00Z or "Jan 31 2000"`,
  )
}

function epoch(text: string, format: 's' | 'ms'): number {
  const ms = /^-?\d+(\.\d+)?$/.test(text) ? Math.floor(Number(text) * (format === 's' ? 1000 : 1)) : NaN
  if (!Number.isFinite(ms) || Math.abs(ms) > 8.64e15)
    throw new Error(
      `the time ${shown(text)} is not a number of ${format === 's' ? 'seconds' : 'milliseconds'} since 1970; leave --time-format out for dates`,
    )
  return ms
}

function fromIso(text: string, part: RegExpExecArray): number {
  const day = date(text, Number(part[1]), Number(part[2]) - 1, Number(part[3] ?? 1))
  const [hour, minute, second] = [Number(part[4] ?? 0), Number(part[5] ?? 0), Number(part[6] ?? 0)]
  if (hour > 23 || minute > 59 || second > 59) throw impossible(text)
  const ms = Number((part[7] ?? '').padEnd(3, '0').slice(0, 3))
  return day + ((hour * 60 + minute) * 60 + second) * 1000 + ms - zoneMs(part[8])
}

function zoneMs(zone: string | undefined): number {
  if (zone === undefined || /^z$/i.test(zone)) return 0
  const digits = zone.slice(1).replace(':', '').padEnd(4, '0')
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2))
  return (zone[0] === '-' ? -1 : 1) * minutes * 60_000
}

function monthOf(text: string, name: string): number {
  const month = MONTHS.indexOf(name.slice(0, 3).toLowerCase())
  if (month === -1) throw new Error(`the time ${shown(text)} names no month; write it as 2000-01-31`)
  return month
}

function date(text: string, year: number, month: number, day: number): number {
  const at = new Date(0)
  // Not Date.UTC: it takes the years 0 to 99 as 1900 to 1999.
  at.setUTCFullYear(year, month, day)
  if (at.getUTCMonth() !== month || at.getUTCDate() !== day) throw impossible(text)
  return at.getTime()
}

function impossible(text: string): Error {
  return new Error(`the time ${shown(text)} does not exist; correct it`)
}
