import { InvalidArgumentError } from 'commander'
import { parseTime } from './time-text.ts'

export function count(text: string): number {
  const number = Number(text)
  if (!/^\d+$/.test(text) || number < 1) throw new InvalidArgumentError('It must be a whole number above 0.')
  return number
}

export function revision(text: string): number {
  if (!/^\d{1,15}$/.test(text))
    throw new InvalidArgumentError('It must be a revision: a whole number, 0 for "no value".')
  return Number(text)
}

/** Seconds to milliseconds. */
export function seconds(text: string): number {
  const ms = Math.round(Number(text) * 1000)
  if (!/^\d+(\.\d+)?$/.test(text) || ms < 1)
    throw new InvalidArgumentError('It must be seconds above 0, e.g. 60 or 0.5.')
  return ms
}

/** A time as people write it, to ISO 8601. */
export function time(text: string): string {
  try {
    return new Date(parseTime(text)).toISOString()
  } catch (error) {
    throw new InvalidArgumentError(`${(error as Error).message}.`)
  }
}

/**
 * `put temperature -5`: a negative number is a value and no option. Such arguments go behind a `--`,
 * unless one is there already.
 */
export function withNegativeValues(args: readonly string[]): string[] {
  if (!args.includes('put') || args.includes('--')) return [...args]
  const isValue = (arg: string, index: number): boolean =>
    /^-[\d.]/.test(arg) && !(args[index - 1] ?? '').startsWith('--')
  const values = args.filter(isValue)
  return values.length === 0 ? [...args] : [...args.filter((arg, i) => !isValue(arg, i)), '--', ...values]
}
