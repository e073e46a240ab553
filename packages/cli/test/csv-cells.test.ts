import { describe, expect, test } from 'vitest'
import { cellToJson } from '../src/cell-value.ts'
import { parseTime } from '../src/time-text.ts'

describe('values of cells', () => {
  test.each(['18.930', '-0', '1e5', '931800000', '0.10'])('the number %s stays as it is', (cell) => {
    expect(cellToJson(cell, false)).toBe(cell)
  })

  test.each(['007', '1.2.3', 'abc', '2000-01-03', 'NaN', 'true', '$5', ' x '])('%s is a string', (cell) => {
    expect(cellToJson(cell, false)).toBe(JSON.stringify(cell))
  })

  test.each([
    ['2,345.6', 'write it as 2345.6'],
    ['1,234,567', 'write it as 1234567'],
    ['2345,6', 'write it as 2345.6'],
    ['+5', 'no plus sign'],
    ['.5', 'both sides'],
    ['5.', 'both sides'],
    ['1e400', '--strings'],
    ['', '--strings'],
  ])('%s is refused with the remedy', (cell, remedy) => {
    expect(() => cellToJson(cell, false)).toThrow(remedy)
    expect(cellToJson(cell, true)).toBe(JSON.stringify(cell))
  })
})

describe('times', () => {
  test.each([
    ['1833-01-01', '1833-01-01T00:00:00.000Z'],
    ['1833-01', '1833-01-01T00:00:00.000Z'],
    ['Jan 1 2000', '2000-01-01T00:00:00.000Z'],
    ['December 31, 1999', '1999-12-31T00:00:00.000Z'],
    ['1-Feb-2010', '2010-02-01T00:00:00.000Z'],
    ['2000-01-03T09:30:00', '2000-01-03T09:30:00.000Z'],
    ['2000-01-03 09:30:00.123456+07:00', '2000-01-03T02:30:00.123Z'],
    ['2000-01-03T09:30-0530', '2000-01-03T15:00:00.000Z'],
    ['0050-03-01', '0050-03-01T00:00:00.000Z'],
    ['2000-02-29', '2000-02-29T00:00:00.000Z'],
  ])('%s is %s', (text, iso) => {
    expect(new Date(parseTime(text)).toISOString()).toBe(iso)
  })

  test('numbers only where it is said what they count', () => {
    expect(parseTime('946857600', 's')).toBe(946857600000)
    expect(parseTime('946857600.25', 's')).toBe(946857600250)
    expect(parseTime('-1', 'ms')).toBe(-1)
    expect(() => parseTime('946857600')).toThrow('--time-format s')
    expect(() => parseTime('2000-01-01', 'ms')).toThrow('2000-01-01')
  })

  test.each(['3/4/2000', '2000-02-30', '2001-02-29', 'Foo 1 2000', '2000-01-01T25:00Z', '', 'yesterday'])(
    '%s is refused',
    (text) => {
      expect(() => parseTime(text)).toThrow(JSON.stringify(text))
    },
  )
})
