import type { Change, Entry } from '@livekv/client'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { asValue, textOf, writtenJson } from '../src/json-text.ts'

/** JSON texts, also such as JSON.stringify would not give. */
const jsonText = fc.oneof(
  fc.json(),
  fc.constantFrom(
    '18.930',
    '12345678901234567890',
    '-0',
    '1E400',
    '"\\u00e9\\/"',
    '"\\"value\\":1.0"',
    '"value"',
    '{"2":1.0,"1":{"value":2.0},"value":[ {"value" : 3.0} ]}',
    '{\n  "__proto__": 1.0\n}',
    '[]',
  ),
)

test('whole answers and events come back as they were written, values as their text', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.string(), jsonText)), fc.boolean(), (pairs, isEvent) => {
      const entries = pairs.map(
        ([key, value], index) =>
          `{"key":${JSON.stringify(key)},"value":${value},"revision":${index},"updatedAt":"value"}`,
      )
      const page = `{"entries":[${entries.join(',')}],"value":${entries.length},"next":"\\"value\\""}`
      const text = isEvent ? `["snapshot",${page}]` : page
      const parsed = writtenJson.parse(text)
      expect(writtenJson.stringify(parsed)).toBe(text)
      const read = (isEvent ? (parsed as unknown[])[1] : parsed) as { entries: Entry[] }
      expect(read.entries.map(({ key, value, revision }) => [key, textOf(value), revision])).toEqual(
        pairs.map(([key, value], index) => [key, value, index]),
      )
    }),
  )
})

test('spaces between the tokens of an answer do no harm', () => {
  const parsed = writtenJson.parse(
    ' { "changes" : [ { "op" : "put" , "value" : [ 1.0 ] , "revision" : 7 } ] } ',
  )
  const [change] = (parsed as { changes: (Change & { op: 'put' })[] }).changes
  expect(textOf(change!.value)).toBe('[ 1.0 ]')
  expect(change!.revision).toBe(7)
})

test('what is not JSON is refused, and what is undefined is left out', () => {
  for (const text of ['', '<h1>', '{"value":}', '{"value":1']) expect(() => writtenJson.parse(text)).toThrow()
  expect(writtenJson.stringify({ op: 'put', key: 'a', value: asValue('1.0'), time: undefined })).toBe(
    '{"op":"put","key":"a","value":1.0}',
  )
})
