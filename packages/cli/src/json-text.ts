/**
 * The client's JSON in which values stay as they were written. `JSON.parse` would turn `18.930` into `18.93`, round
 * long integers, and put members that are called like integers first.
 */
import type { Json, JsonCodec } from '@livekv/client'
import { rawFields, rawItems } from './raw-json.ts'

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
    return text.includes('"value"') ? read(text) : parsed
  },
  stringify(value) {
    if (value instanceof JsonText) return value.text
    if (Array.isArray(value)) return `[${value.map(writtenJson.stringify).join(',')}]`
    if (typeof value !== 'object' || value === null) return JSON.stringify(value)
    const members = Object.entries(value).filter(([, member]) => member !== undefined)
    return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${writtenJson.stringify(member)}`).join(',')}}`
  },
}

function read(text: string): unknown {
  if (!text.includes('"value"')) return JSON.parse(text)
  const first = /\S/.exec(text)?.[0]
  if (first === '[') return rawItems(text).map(read)
  if (first !== '{') return JSON.parse(text)
  return Object.fromEntries(
    Array.from(rawFields(text), ([name, member]) => [
      name,
      name === 'value' ? new JsonText(member) : read(member),
    ]),
  )
}
