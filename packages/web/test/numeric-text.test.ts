import { expect, test } from 'vitest'
import { numericText } from '../src/numeric-text.ts'

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
