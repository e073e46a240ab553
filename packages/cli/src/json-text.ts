/**
 * The client's JSON in which values stay as they were written. `JSON.parse` would turn `18.930` into `18.93`, round
 * long integers, and put members that are called like integers first.
 */
import type { Json, JsonCodec } from '@livekv/client'
import { afterSpace, stringEnd, valueEnd } from './raw-json.ts'

const NAME = '"value"'

class JsonText {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/** JSON text as a value to write. */
export function asValue(text: string): Json {
  return new JsonText(text) as unknown as Json
}

/** The JSON text of a value that was read. */
export function textOf(value: Json): string {
  return (value as unknown as JsonText).text
}

/** Members called `value` hold a `JsonText`, all else is as `JSON.parse` gives it. */
export const writtenJson: JsonCodec = {
  parse(text) {
    const parsed: unknown = JSON.parse(text)
    const { rest, values } = withoutValues(text)
    return values.length === 0 ? parsed : withValues(JSON.parse(rest), values)
  },
  stringify(value) {
    if (value instanceof JsonText) return value.text
    if (Array.isArray(value)) return `[${value.map(writtenJson.stringify).join(',')}]`
    if (typeof value !== 'object' || value === null) return JSON.stringify(value)
    const members = Object.entries(value).filter(([, member]) => member !== undefined)
    return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${writtenJson.stringify(member)}`).join(',')}}`
  },
}

/** The text with a number in the place of each value: its index in `values`. */
function withoutValues(text: string): { rest: string; values: JsonText[] } {
  const values: JsonText[] = []
  let rest = ''
  let copied = 0
  for (let at = text.indexOf('"'); at !== -1; ) {
    let end = stringEnd(text, at)
    if (end - at === NAME.length && text.startsWith(NAME, at)) {
      const colon = afterSpace(text, end)
      if (text[colon] === ':') {
        const start = afterSpace(text, colon + 1)
        end = valueEnd(text, start)
        rest += text.slice(copied, start) + values.length
        copied = end
        values.push(new JsonText(text.slice(start, end)))
      }
    }
    at = text.indexOf('"', end)
  }
  return { rest: rest + text.slice(copied), values }
}

function withValues(parsed: unknown, values: readonly JsonText[]): unknown {
  if (Array.isArray(parsed)) for (const item of parsed) withValues(item, values)
  else if (typeof parsed === 'object' && parsed !== null) {
    const object = parsed as Record<string, unknown>
    for (const name of Object.keys(object)) {
      if (name === 'value') object.value = values[object.value as number]
      else withValues(object[name], values)
    }
  }
  return parsed
}
