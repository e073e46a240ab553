/**
 * Values are shown and edited as the JSON text that was written: `18.930` keeps its zero, and a number past 2^53
 * keeps its digits. `JSON.parse` would lose both, so a member is cut out of the text of an answer instead.
 */

/** The text of the member `name` of the JSON object `text`, or undefined. `text` must be valid JSON. */
export function memberText(text: string, name: string): string | undefined {
  let depth = 0
  let member: string | undefined
  let start = -1
  for (let at = 0; at < text.length; at++) {
    const char = text[at]
    if (char === '"') {
      const end = stringEnd(text, at)
      if (depth === 1 && start < 0) member = JSON.parse(text.slice(at, end + 1))
      at = end
    } else if (char === '{' || char === '[') depth++
    else if (depth === 1 && start < 0 && char === ':') start = at + 1
    else if (depth === 1 && (char === ',' || char === '}')) {
      if (start >= 0 && member === name) return text.slice(start, at).trim()
      start = -1
      if (char === '}') depth--
    } else if (char === '}' || char === ']') depth--
  }
  return undefined
}

/** The texts of the elements of the JSON array `text`. */
export function elementTexts(text: string): string[] {
  const elements: string[] = []
  let depth = 0
  let start = 1
  for (let at = 0; at < text.length; at++) {
    const char = text[at]
    if (char === '"') at = stringEnd(text, at)
    else if (char === '{' || char === '[') depth++
    else if (char === '}' || char === ']' || char === ',') {
      if (depth === 1 && char !== '}') {
        const element = text.slice(start, at).trim()
        if (element) elements.push(element)
        start = at + 1
      }
      if (char !== ',') depth--
    }
  }
  return elements
}

function stringEnd(text: string, quote: number): number {
  let at = quote + 1
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at
}

const DECIMAL = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/

/** The decimal text of a numeric value (a JSON number, or a string that is a decimal number), else undefined. */
export function numericText(json: string): string | undefined {
  const text = json.startsWith('"') ? (JSON.parse(json) as string).trim() : json
  return DECIMAL.test(text) && Number.isFinite(Number(text)) ? text : undefined
}

/** Over several lines, every number as it was written. */
export function prettyJson(json: string): string {
  let out = ''
  let indent = ''
  for (let at = 0; at < json.length; at++) {
    const char = json[at]!
    if (char === '"') {
      const end = stringEnd(json, at)
      out += json.slice(at, end + 1)
      at = end
    } else if (char === '{' || char === '[') {
      const next = json.slice(at + 1).trimStart()[0]
      if (next === '}' || next === ']') {
        out += char + next
        at = json.indexOf(next, at)
      } else {
        indent += '  '
        out += `${char}\n${indent}`
      }
    } else if (char === '}' || char === ']') {
      indent = indent.slice(2)
      out += `\n${indent}${char}`
    } else if (char === ',') out += `,\n${indent}`
    else if (char === ':') out += ': '
    else if (!/\s/.test(char)) out += char
  }
  return out
}
