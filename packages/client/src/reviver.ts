import * as parser from 'socket.io-parser'

/** As the second argument of `JSON.parse`; `source` is a number's text as it was written, where the platform has it. */
export type Reviver = (name: string, value: unknown, context?: { source?: string }) => unknown

/** Socket.IO's own parser, with a reviver. */
export function parserWith(reviver: Reviver) {
  class RevivingDecoder extends parser.Decoder {
    constructor() {
      super(reviver as (key: string, value: unknown) => unknown)
    }
  }
  return { ...parser, Decoder: RevivingDecoder }
}

const toRawJson = (JSON as { rawJSON?: (text: string) => unknown }).rawJSON

/**
 * A reviver by which numbers keep their digits: one that JavaScript would print otherwise than it is written (`18.930`,
 * or past 2^53) becomes an object that `JSON.stringify` prints as it was written (`JSON.rawJSON`); all others are
 * ordinary numbers. Platforms that lack this (browsers from before 2025, Node.js before 22) give ordinary numbers only.
 */
export const exactNumbers: Reviver = (_name, value, context) => {
  const source = context?.source
  if (typeof value !== 'number' || source === undefined || String(value) === source) return value
  return toRawJson?.(source) ?? value
}
