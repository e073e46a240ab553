import { LiveKVError } from '@livekv/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { brokenAt } from '../src/http/json-position.ts'
import { checkValue, findItems, MAX_DEPTH, memberText } from '../src/http/raw-json.ts'

/** JSON text as people and programs write it: odd spacing, escapes, numbers in all their forms, repeated members. */
const space = fc.constantFrom('', '', ' ', '\n\t', ' \r\n ')
const stringText = fc.oneof(
  fc
    .string({ unit: 'binary' })
    .filter((text) => text.isWellFormed())
    .map((text) => JSON.stringify(text)),
  fc.constantFrom(
    '"\\\\"',
    '"\\""',
    '"{"',
    '"]"',
    '"\\u0061"',
    '"a\\/b"',
    '"\\ud83d\\ude00"',
    '"value"',
    '"v\\u0061lue"',
    '""',
  ),
)
const numberText = fc.oneof(
  fc.constantFrom('0', '-0', '1.10', '1e5', '-1E-7', '12345678901234567890', '0.1e+2'),
  fc
    .double({ noNaN: true, noDefaultInfinity: true })
    .map(String)
    .filter((text) => isJson(text)),
)
const { value: jsonText } = fc.letrec<{ value: string; array: string; object: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    stringText,
    numberText,
    fc.constantFrom('true', 'false', 'null'),
    tie('array'),
    tie('object'),
  ),
  array: fc
    .array(fc.tuple(space, tie('value'), space), { maxLength: 4 })
    .map((items) => `[${items.map((item) => item.join('')).join(',')}]`),
  object: fc
    .array(fc.tuple(space, stringText, space, fc.constant(':'), space, tie('value'), space), { maxLength: 4 })
    .map((members) => `{${members.map((member) => member.join('')).join(',')}}`),
}))

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

describe('raw slices of JSON text', () => {
  test('the slice of a member is the text of the last one of its name', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.constantFrom('"value"', '"key"', '"v\\u0061lue"', '"\\"value"', '"__proto__"'),
            space,
            jsonText,
            space,
          ),
        ),
        (members) => {
          const text = `{${members.map(([name, before, json, after]) => `${before}${name}${after}:${before}${json}${after}`).join(',')}}`
          // Not by way of JSON.parse: of a repeated member V8 13.6 sometimes gives the first one's value.
          for (const name of ['value', 'key', '"value', '__proto__', 'absent']) {
            const last = members.findLast((member) => JSON.parse(member[0]) === name)
            expect(memberText(text, 0, name)).toBe(last?.[2])
          }
        },
      ),
      { numRuns: 500 },
    )
  })

  test('items are found where they stand', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(space, jsonText, space)), (items) => {
        const text = `[${items.map((item) => item.join('')).join(',')}]`
        const starts = findItems(text, 0)
        expect(starts).toHaveLength(items.length)
        for (const [index, start] of starts.entries()) {
          expect(text.startsWith(items[index]![1], start)).toBe(true)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('a check passes whatever is finite, shallow and well formed', () => {
    fc.assert(
      fc.property(jsonText, (text) => checkValue(text)),
      { numRuns: 500 },
    )
  })

  test('and fails with one bad leaf anywhere', () => {
    const bad = fc.constantFrom(
      '1e400',
      '-1e309',
      '"\\ud800"',
      '"x\\udc00\\ud800"',
      '"\\ud83d\\u0041"',
      `9${'0'.repeat(309)}`,
    )
    fc.assert(
      fc.property(jsonText, bad, fc.nat(MAX_DEPTH - 8), (text, leaf, depth) => {
        const nested = `${'[{"a":'.repeat(depth / 2)}[${text},${leaf}]${'}]'.repeat(depth / 2)}`
        expect(() => checkValue(nested)).toThrow(LiveKVError)
      }),
    )
  })

  test('the position of a break lies in the text, and whole JSON has none', () => {
    const inserts = fc.constantFrom('', '}', ']', ',', ':', '"', 'x', '\\', '1', '\u0001')
    fc.assert(
      fc.property(jsonText, fc.nat(), inserts, (json, at, insert) => {
        expect(brokenAt(json)).toBe(json.length)
        const cut = at % (json.length + 1)
        const text = json.slice(0, cut) + insert + (insert === '' ? '' : json.slice(cut))
        if (isJson(text)) return
        expect(brokenAt(text)).toBeLessThanOrEqual(text.length)
        // A repair must be possible there: what comes before can still become JSON, so it is broken no earlier.
        expect(brokenAt(text.slice(0, brokenAt(text)))).toBe(brokenAt(text))
      }),
      { numRuns: 500 },
    )
  })

  test.each([
    ['{"a":1,}', 7],
    ['{"a" 1}', 5],
    ['{a:1}', 1],
    ['[1 2]', 3],
    ['[1,]', 3],
    ['[1}', 2],
    ['{} {}', 3],
    ['"a\nb"', 2],
    ['"\\x"', 1],
    ['01', 1],
    ['tru', 0],
    ['[[[', 3],
    ['', 0],
  ])('%j breaks at %i', (text, position) => {
    expect(isJson(text)).toBe(false)
    expect(brokenAt(text)).toBe(position)
  })
})
