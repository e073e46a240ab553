import { describe, expect, test } from 'vitest'
import { exactNumbers } from '../src/json-codec.ts'

describe('exactNumbers', () => {
  test.each([
    '18.930',
    '12345678901234567890.10',
    '-0',
    '1E3',
    '[{"a":1.0,"b":[2.50,"2.50"]},7]',
    '"18.930"',
  ])('%s is read and written again digit by digit', (json) => {
    expect(exactNumbers.stringify(exactNumbers.parse(json))).toBe(json)
  })

  test('numbers that JavaScript writes the same stay numbers', () => {
    expect(exactNumbers.parse('[1, -2.5, 1e+21, {"a": 0}]')).toEqual([1, -2.5, 1e21, { a: 0 }])
  })
})
