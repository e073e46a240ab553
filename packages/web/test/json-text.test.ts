import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { elementTexts, memberText, numericText, prettyJson } from '../src/json-text.ts'

describe('JSON as text', () => {
  test('members are found, whatever stands around them', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.nat(3), (object, spaces) => {
        const text = JSON.stringify(object, null, spaces)
        for (const [name, value] of Object.entries(object)) {
          expect(JSON.parse(memberText(text, name)!)).toEqual(JSON.parse(JSON.stringify(value)))
        }
        expect(memberText(text, 'a name that is not there')).toBeUndefined()
      }),
    )
  })

  test('elements are found, in their order', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), fc.nat(3), (array, spaces) => {
        const text = JSON.stringify(array, null, spaces)
        expect(elementTexts(text).map((element) => JSON.parse(element))).toEqual(JSON.parse(text))
      }),
    )
  })

  test('laid out over lines it is the same JSON, with the same digits', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat(3), (value, spaces) => {
        const text = JSON.stringify(value, null, spaces)
        expect(prettyJson(text)).toBe(JSON.stringify(value, null, 2))
      }),
    )
    expect(prettyJson('{"a":18.930,"b":[12345678901234567890]}')).toBe(
      '{\n  "a": 18.930,\n  "b": [\n    12345678901234567890\n  ]\n}',
    )
  })

  test('a value is cut out with the digits that were written', () => {
    expect(memberText('{"key":"a\\"}:","value": 18.930 ,"revision":1}', 'value')).toBe('18.930')
    expect(memberText('{"a":{"value":1},"value":[{"value":2}]}', 'value')).toBe('[{"value":2}]')
  })

  test.each([
    ['18.930', '18.930'],
    ['-1e3', '-1e3'],
    ['"2400.5"', '2400.5'],
    ['"1e400"', undefined],
    ['"12 kg"', undefined],
    ['""', undefined],
    ['true', undefined],
    ['[1]', undefined],
  ])('%s is the number %s', (json, number) => {
    expect(numericText(json)).toBe(number)
  })
})
