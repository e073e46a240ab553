import { describe, expect, test } from 'vitest'
import { changeOf, originOf, recordOf } from '../src/bus/change-record.ts'
import type { Change } from '../src/store/store.ts'

const at = Date.parse('2026-03-01T10:00:00.123Z')
const origin = { storeId: 'store.1', instance: 'one' }
const put: Change = { key: 'gold.sjc', revision: 7, at, time: at - 1_000, json: '18.930' }

describe('a change as a record', () => {
  test('reads well for other programs', () => {
    const { key, value, headers } = recordOf(put, origin)
    expect(String(key)).toBe('gold.sjc')
    expect(String(value)).toBe(
      '{"key":"gold.sjc","revision":7,"at":"2026-03-01T10:00:00.123Z","time":"2026-03-01T09:59:59.123Z","op":"put","value":18.930}',
    )
    const texts = [...headers].map(([name, text]) => [String(name), String(text)])
    expect(Object.fromEntries(texts)).toEqual({ revision: '7', store: 'store.1', instance: 'one' })
  })

  test('a delete says so and has no value', () => {
    expect(JSON.parse(String(recordOf({ ...put, json: null }, origin).value))).toEqual({
      key: 'gold.sjc',
      revision: 7,
      at: '2026-03-01T10:00:00.123Z',
      time: '2026-03-01T09:59:59.123Z',
      op: 'delete',
    })
  })

  test.each([
    ['at that time', at + 60_000, ',"expiresAt":"2026-03-01T10:01:00.123Z"'],
    ['never', null, ',"expiresAt":null'],
    ['not known here, or from an instance that does not tell', undefined, ''],
  ])('says when the entry expires: %s', (_, expiresAt, text) => {
    const change: Change = { ...put, ...(expiresAt !== undefined && { expiresAt }) }
    const { value } = recordOf(change, origin)
    expect(String(value)).toContain(`"time":"2026-03-01T09:59:59.123Z"${text},"op":"put","value":18.930}`)
    expect(changeOf(value)).toStrictEqual(change)
  })

  test('may have members that this version does not know, and says the same without them', () => {
    const text = String(recordOf(put, origin).value).replace(',"op"', ',"later":{"op":1},"op"')
    expect(changeOf(Buffer.from(text))).toStrictEqual(put)
  })
})

describe('what is none of ours', () => {
  test.each([
    ['no JSON', 'hello'],
    ['half a record', '{"key":"a","revision":1'],
    ['no object', '[1]'],
    ['null', 'null'],
    ['a member missing', '{"key":"a","revision":1,"at":"2026-03-01T10:00:00.123Z","op":"delete"}'],
    [
      'a put without a value',
      '{"key":"a","revision":1,"at":"2026-03-01T10:00:00Z","time":"2026-03-01T10:00:00Z","op":"put"}',
    ],
    [
      'more behind the value, which would be passed on as it is',
      '{"key":"a","revision":1,"at":"2026-03-01T10:00:00Z","time":"2026-03-01T10:00:00Z","op":"put","value":1,"x":2}',
    ],
    [
      'a value that is no JSON',
      '{"key":"a","revision":1,"at":"2026-03-01T10:00:00Z","time":"2026-03-01T10:00:00Z","op":"put","value":NaN}',
    ],
    [
      'a revision that is none',
      '{"key":"a","revision":"1","at":"2026-03-01T10:00:00Z","time":"2026-03-01T10:00:00Z","op":"delete"}',
    ],
    [
      'an expiry that is no time',
      '{"key":"a","revision":1,"at":"2026-03-01T10:00:00Z","time":"2026-03-01T10:00:00Z","expiresAt":"soon","op":"put","value":1}',
    ],
    ['no time', '{"key":"a","revision":1,"at":"now","time":"2026-03-01T10:00:00Z","op":"delete"}'],
  ])('%s', (_, text) => {
    expect(() => changeOf(Buffer.from(text))).toThrow()
  })

  test.each([
    ['no headers', {}],
    ['no store', { revision: '1' }],
    ['no revision', { store: 'a' }],
    ['a revision that is none', { store: 'a', revision: '1.5' }],
    ['revision 0', { store: 'a', revision: '0' }],
  ])('headers: %s', (_, headers) => {
    const pairs = Object.entries(headers).map(
      ([name, text]) => [Buffer.from(name), Buffer.from(text)] as const,
    )
    expect(originOf(new Map(pairs))).toBeNull()
  })
})
