import { LiveKVError } from './error.ts'

/**
 * How values are read from JSON and written as JSON. `parse` gets whole answers and events of the server, values
 * within them; `stringify` gets whole writes. What neither can take must throw; values are sent as the text that
 * `stringify` gives.
 */
export interface JsonCodec {
  parse(text: string): unknown
  stringify(value: unknown): string
}

/** JavaScript's own, except that what JSON does not have (NaN, 1n) is refused instead of becoming null. */
export const plainJson: JsonCodec = {
  parse: (text) => JSON.parse(text),
  stringify: (value) => JSON.stringify(value, refuseNotJson),
}

const toRawJson = (JSON as { rawJSON?: (text: string) => unknown }).rawJSON

/**
 * Numbers keep their digits: one that JavaScript would print otherwise than it is written (`18.930`, or past 2^53)
 * becomes an object that `JSON.stringify` prints as it was written (`JSON.rawJSON`); all others are ordinary numbers.
 * Platforms that lack this (browsers from before 2025, Node.js before 22) give ordinary numbers only.
 */
export const exactNumbers: JsonCodec = {
  parse: (text) => JSON.parse(text, keepDigits as (name: string, value: unknown) => unknown),
  stringify: plainJson.stringify,
}

/** `source` is a number's text as it was written, where the platform has it. */
function keepDigits(_name: string, value: unknown, context?: { source?: string }): unknown {
  const source = context?.source
  if (typeof value !== 'number' || source === undefined || String(value) === source) return value
  return toRawJson?.(source) ?? value
}

/** `JSON.stringify` would make null of them. */
function refuseNotJson(name: string, value: unknown): unknown {
  if (typeof value === 'bigint' || (typeof value === 'number' && !Number.isFinite(value))) {
    throw new LiveKVError(
      'INVALID_VALUE',
      `${name} is ${value}${typeof value === 'bigint' ? 'n' : ''}, which JSON does not have. Write it as a string.`,
    )
  }
  return value
}
