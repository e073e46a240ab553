/**
 * Where a value stands in JSON text, so that it can be kept as it was written: `1.10`, `1e5`,
 * `12345678901234567890` and the order of members do not survive `JSON.parse`.
 *
 * All functions but `checkValue` expect text that `JSON.parse` has accepted.
 */
import { LiveKVError } from '@livekv/protocol'

const QUOTE = 34
const COMMA = 44
const MINUS = 45
const BACKSLASH = 92
const OPEN_BRACKET = 91
const CLOSE_BRACKET = 93
const OPEN_BRACE = 123
const CLOSE_BRACE = 125

export const MAX_DEPTH = 100

/** Index of the value of the last member `name` of the object that starts at `start`, or -1. */
export function findMember(text: string, start: number, name: string): number {
  let found = -1
  let at = skipSpace(text, start + 1)
  while (text.charCodeAt(at) === QUOTE) {
    const end = skipString(text, at)
    const length = end - at - 2
    const isName =
      (length === name.length && text.startsWith(name, at + 1)) ||
      // An escaped name is longer than what it stands for.
      (length > name.length && text.slice(at, end).includes('\\') && JSON.parse(text.slice(at, end)) === name)
    const value = skipSpace(text, skipSpace(text, end) + 1)
    if (isName) found = value
    at = skipSpace(text, skipValue(text, value))
    if (text.charCodeAt(at) === COMMA) at = skipSpace(text, at + 1)
  }
  return found
}

/** The text of that member's value, exactly as written. */
export function memberText(text: string, start: number, name: string): string | undefined {
  const at = findMember(text, start, name)
  return at === -1 ? undefined : text.slice(at, skipValue(text, at))
}

/** Indexes of the items of the array that starts at `start`. */
export function findItems(text: string, start: number): number[] {
  const items: number[] = []
  let at = skipSpace(text, start + 1)
  while (text.charCodeAt(at) !== CLOSE_BRACKET) {
    items.push(at)
    at = skipSpace(text, skipValue(text, at))
    if (text.charCodeAt(at) === COMMA) at = skipSpace(text, at + 1)
  }
  return items
}

export function skipSpace(text: string, start: number): number {
  let at = start
  while (true) {
    const code = text.charCodeAt(at)
    if (code !== 32 && code !== 10 && code !== 13 && code !== 9) return at
    at++
  }
}

function skipString(text: string, start: number): number {
  let quote = text.indexOf('"', start + 1)
  while (text.charCodeAt(quote - 1) === BACKSLASH) {
    let slashes = 1
    while (text.charCodeAt(quote - 1 - slashes) === BACKSLASH) slashes++
    if (slashes % 2 === 0) break
    quote = text.indexOf('"', quote + 1)
  }
  return quote + 1
}

export function skipValue(text: string, start: number): number {
  const first = text.charCodeAt(start)
  if (first === QUOTE) return skipString(text, start)
  if (first === OPEN_BRACE || first === OPEN_BRACKET) {
    let depth = 0
    for (let at = start; ; at++) {
      const code = text.charCodeAt(at)
      if (code === QUOTE) at = skipString(text, at) - 1
      else if (code === OPEN_BRACE || code === OPEN_BRACKET) depth++
      else if ((code === CLOSE_BRACE || code === CLOSE_BRACKET) && --depth === 0) return at + 1
    }
  }
  return skipToken(text, start)
}

/** To the end of a number or a literal. */
function skipToken(text: string, start: number): number {
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === COMMA || code === CLOSE_BRACE || code === CLOSE_BRACKET || code <= 32) return at
  }
  return text.length
}

/**
 * Refuses what is valid JSON and yet not a value every reader gets back: numbers beyond the doubles, halves of
 * surrogate pairs, nesting deeper than 100. Looks at the text, since a repeated member hides from `JSON.parse`.
 */
export function checkValue(json: string): void {
  let depth = 0
  const hasSurrogateEscapes = /\\u[dD]/.test(json)
  for (let at = 0; at < json.length; at++) {
    const code = json.charCodeAt(at)
    if (code === QUOTE) {
      const end = skipString(json, at)
      if (hasSurrogateEscapes) checkEscapes(json.slice(at, end))
      at = end - 1
    } else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      if (++depth > MAX_DEPTH) {
        throw new LiveKVError(
          'INVALID_VALUE',
          `The value is nested deeper than ${MAX_DEPTH} levels: flatten it.`,
        )
      }
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      depth--
    } else if (code === MINUS || (code >= 48 && code <= 57)) {
      const end = skipToken(json, at)
      if (end - at > 3 && !Number.isFinite(Number(json.slice(at, end)))) {
        throw new LiveKVError(
          'INVALID_VALUE',
          `The number ${json.slice(at, Math.min(end, at + 80))} is beyond the range of a double (about ±1.8e308): write it as a string.`,
        )
      }
      at = end - 1
    }
  }
}

function checkEscapes(literal: string): void {
  if (!(JSON.parse(literal) as string).isWellFormed()) {
    throw new LiveKVError(
      'INVALID_VALUE',
      'The value has half of a surrogate pair (such as \\ud800 alone), which is no character in UTF-8: send both halves or neither.',
    )
  }
}
