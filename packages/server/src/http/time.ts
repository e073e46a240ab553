import { LiveKVError } from '@livekv/protocol'
import { shown } from './shown.ts'

const DAY_MS = 86_400_000
const MAX_TIME_MS = 8.64e15

const ISO =
  /^([+-]\d{6}|\d{4})(?:-(\d\d)(?:-(\d\d)(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d))?)?)?$/

/**
 * Milliseconds since the epoch, from a number of them or ISO 8601 (a year, a month, a day, or a time with its
 * zone). Four digits are a year.
 */
export function parseTime(name: string, value: unknown): number {
  let ms = Number.NaN
  if (typeof value === 'number') {
    ms = value
  } else if (typeof value === 'string') {
    const iso = ISO.exec(value)
    if (iso) ms = isoDayExists(iso) ? Date.parse(value) : Number.NaN
    else if (/^-?\d{1,16}$/.test(value)) ms = Number(value)
  }
  if (!Number.isInteger(ms) || Math.abs(ms) > MAX_TIME_MS) {
    throw new LiveKVError(
      'INVALID_REQUEST',
      `${name} ${shown(value)} is not a time: give ISO 8601 with its zone (2024-05-31, 2024-05-31T12:00:00Z) or whole milliseconds since 1970.`,
    )
  }
  return ms
}

/** `Date.parse` takes February 30 for March 1. */
function isoDayExists(iso: RegExpExecArray): boolean {
  if (iso[2] === undefined || iso[3] === undefined) return true
  return (
    new Date(Date.UTC(2000 + (Number(iso[1]) % 400), Number(iso[2]) - 1, Number(iso[3]))).getUTCDate() ===
    Number(iso[3])
  )
}

/** The source's time of a write: any past instant; a day ahead at most, since clocks differ but units differ more. */
export function parseWriteTime(value: unknown): number {
  const ms = parseTime('time', value)
  if (ms > Date.now() + DAY_MS) {
    throw new LiveKVError(
      'INVALID_REQUEST',
      `time ${shown(value)} is ${new Date(ms).toISOString()}, more than a day in the future: give milliseconds since 1970 (not microseconds or nanoseconds), or ISO 8601.`,
    )
  }
  return ms
}
