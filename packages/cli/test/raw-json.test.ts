import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { oneLine, rawFields } from '../src/raw-json.ts'

describe('raw JSON', () => {
  test('keeps the digits and the spaces of every part', () => {
    const fields = rawFields(' { "value" : 18.930 , "list":[ 1.0, {"a":"}\\"]"} ],"key":"a\\\\", "last":1e5}')
    expect([...fields]).toEqual([
      ['value', '18.930'],
      ['list', '[ 1.0, {"a":"}\\"]"} ]'],
      ['key', '"a\\\\"'],
      ['last', '1e5'],
    ])
    expect([...rawFields('{}')]).toEqual([])
  })

  test('any object comes apart into what it was made of', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.json()),
        fc.constantFrom('', ' ', '\r\n'),
        (object, space) => {
          const members = Object.entries(object).map(
            ([name, text]) => `${JSON.stringify(name)}${space}:${space}${text}`,
          )
          expect([...rawFields(`{${members.join(`${space},${space}`)}${space}}`)]).toEqual(
            Object.entries(object),
          )
        },
      ),
    )
  })

  test('one line means the same', () => {
    expect(oneLine('{\n  "a": [1,\r\n2]\n}')).toBe('{   "a": [1, 2] }')
  })
})
