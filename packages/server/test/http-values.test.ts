import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestApp, type TestApp } from './support/test-app.ts'

describe('what comes in is what comes out', () => {
  let app: TestApp
  beforeAll(async () => {
    app = await startTestApp()
  })
  afterAll(() => app.close())

  const exact: [string, string][] = [
    ['trailing zeros', '1.10'],
    ['an exponent', '1e5'],
    ['more digits than a double has', '12345678901234567890.123456789012345678901'],
    ['the largest double', '1.7976931348623157e308'],
    ['the order of members', '{"b":1,"a":2,"1":3}'],
    ['repeated members', '{"a":1,"a":2}'],
    ['white space within', '{ "a" :\t[ 1 ,\n 2 ] }'],
    ['__proto__', '{"__proto__":{"admin":true},"constructor":1}'],
    ['escapes as written', '"\\u00e9\\/\\ud83d\\ude00\\n"'],
    ['emoji', '"🥇 vàng"'],
    ['brackets in strings', '["]","}","\\"]",{"}":"{"}]'],
    ['backslashes at the end', '["\\\\","\\\\\\"",1]'],
    ['a hundred levels', `${'['.repeat(100)}${']'.repeat(100)}`],
  ]
  test.each(exact)('%s', async (_name, json) => {
    const body = `{"value":"overridden", "ttl\\u004ds":60000, "value" :  ${json}  }`
    expect((await app.call('PUT', '/api/v1/entries/exact', body)).json).toMatchObject({ applied: true })
    const entry = await app.call('GET', '/api/v1/entries/exact')
    expect(entry.text).toContain(`"value":${json},"revision":`)
    expect(entry.json.expiresAt).toBeDefined()
    const batch = await app.call('POST', '/api/v1/batch', `{"writes":[{"key":"exact2","value":${json}}]}`)
    expect(batch.json.results[0].applied).toBe(true)
    expect((await app.call('GET', '/get/exact2')).text).toContain(`{"value":${json},"updatedAt"`)
    expect((await app.call('GET', '/api/v1/history?key=exact2&order=desc&limit=1')).text).toContain(
      `"value":${json},`,
    )
  })

  const refused: [string, string, string, number][] = [
    ['a number beyond the doubles', '1e400', 'INVALID_VALUE', 400],
    ['one inside', '{"a":[1,-1e999]}', 'INVALID_VALUE', 400],
    ['one hidden by a repeated member', '{"a":1e400,"a":1}', 'INVALID_VALUE', 400],
    ['half a surrogate pair', '"\\ud800"', 'INVALID_VALUE', 400],
    ['the other half', '["\\uDC00x"]', 'INVALID_VALUE', 400],
    ['half a pair in a member’s name', '{"\\ud83d":1}', 'INVALID_VALUE', 400],
    ['101 levels', `${'['.repeat(101)}${']'.repeat(101)}`, 'INVALID_VALUE', 400],
    ['100,000 levels', `${'['.repeat(100_000)}${']'.repeat(100_000)}`, 'VALUE_TOO_LARGE', 413],
    ['64 KiB and one', `"${'x'.repeat(65_535)}"`, 'VALUE_TOO_LARGE', 413],
    ['many bytes in few characters', `"${'é'.repeat(32_768)}"`, 'VALUE_TOO_LARGE', 413],
    ['NaN', 'NaN', 'INVALID_JSON', 400],
    ['Infinity', '-Infinity', 'INVALID_JSON', 400],
    ['undefined', 'undefined', 'INVALID_JSON', 400],
    ['hexadecimal', '0x10', 'INVALID_JSON', 400],
    ['a leading zero', '007', 'INVALID_JSON', 400],
    ['a raw control character', '"a\u0001"', 'INVALID_JSON', 400],
    ['a trailing comma', '[1,]', 'INVALID_JSON', 400],
  ]
  test.each(refused)('refused: %s', async (_name, json, code, status) => {
    const put = await app.call('PUT', '/api/v1/entries/refused', `{"value":${json}}`)
    expect(put.json).toMatchObject({ code, error: expect.stringMatching(/./) })
    expect(put.status).toBe(status)
    const add = await app.call('POST', '/add', `{"key":"refused","value":${json}}`)
    expect(add.json.code).toBe(code)
    expect((await app.call('GET', '/get/refused')).status).toBe(404)
  })

  test('exactly 64 KiB is taken', async () => {
    const json = `"${'x'.repeat(65_534)}"`
    expect((await app.call('PUT', '/api/v1/entries/large', `{"value":${json}}`)).status).toBe(200)
    expect((await app.call('GET', '/api/v1/entries/large')).text).toContain(json)
  })

  test('\\u0000 in a value is kept', async () => {
    const { json } = await app.call(
      'POST',
      '/api/v1/batch',
      '{"writes":[{"key":"n1","value":1},{"key":"n2","value":"a\\u0000b"},{"key":"n3","value":3}]}',
    )
    expect([json.results[0].applied, json.results[2].applied]).toEqual([true, true])
    expect(json.results[1].applied).toBe(true)
    expect((await app.call('GET', '/get/n2')).text).toContain('"a\\u0000b"')
    const increment = await app.call('PATCH', '/api/v1/entries/n2', { op: 'increment' })
    expect([increment.status, increment.json.code]).toEqual([409, 'NOT_A_NUMBER'])
    expect((await app.call('PATCH', '/api/v1/entries/n2', { op: 'touch', ttlMs: 60_000 })).json.applied).toBe(
      true,
    )
    const same = '{"value":"a\\u0000b","skipUnchanged":true}'
    expect((await app.call('PUT', '/api/v1/entries/n2', same)).json.applied).toBe(false)
    expect((await app.call('GET', '/get/n2')).text).toContain('"a\\u0000b"')
  })

  test('the place where JSON breaks is named', async () => {
    const { json } = await app.call('POST', '/add', '{"key": "a",\n "value": tru }')
    expect(json).toMatchObject({ code: 'INVALID_JSON', position: 23 })
    expect(json.error).toContain('line 2, column 11')
    const early = await app.call('POST', '/add', '{"key": "a", "value": [1')
    expect(early.json.error).toContain('it ends too early')
    const long = await app.call('POST', '/add', `{"key":"${'a\\n'.repeat(1_000_000)}" x}`)
    expect(long.json.position).toBe(3_000_010)
  })

  const keys = [
    'a/b',
    'a b',
    '..',
    '.',
    '%2F',
    'a%b',
    '🥇',
    'giá vàng',
    '__proto__',
    'constructor',
    'toString',
    '"quoted\\"',
    'a?b=c&d#e',
    'a+b',
    "'); drop table entries; --",
    'x'.repeat(512),
    'get',
  ]
  test.each(keys)('key %j', async (key) => {
    const value = `value of ${key}`
    const byQuery = `/api/v1/entries?key=${encodeURIComponent(key)}`
    expect((await app.call('PUT', byQuery, { value })).json).toMatchObject({ key, applied: true })
    expect((await app.call('GET', byQuery)).json).toMatchObject({ key, value })
    expect((await app.call('GET', `/get?key=${encodeURIComponent(key)}`)).json.value).toBe(value)
    if (key !== '.' && key !== '..') {
      expect((await app.call('GET', `/api/v1/entries/${encodeURIComponent(key)}`)).json.value).toBe(value)
      expect((await app.call('GET', `/get/${encodeURIComponent(key)}`)).json.value).toBe(value)
    }
    expect((await app.call('GET', '/keys')).json.data).toContain(key)
    expect((await app.call('POST', '/api/v1/entries/get', { keys: [key] })).json.entries[0].value).toBe(value)
    expect((await app.call('DELETE', byQuery)).json).toMatchObject({ key, op: 'delete', applied: true })
    expect((await app.call('GET', byQuery)).status).toBe(404)
  })

  test.each([
    ['513 bytes', JSON.stringify('x'.repeat(513))],
    ['512 characters of more bytes', JSON.stringify('é'.repeat(257))],
    ['\\u0000', '"a\\u0000"'],
    ['a line break', '"a\\n"'],
    ['a C1 control character', '"a\\u0085"'],
    ['half a surrogate pair', '"\\ud800"'],
    ['null', 'null'],
    ['an array', '["a"]'],
    ['a deep one', `${'['.repeat(500_000)}${']'.repeat(500_000)}`],
  ])('refused key: %s', async (_name, key) => {
    const add = await app.call('POST', '/add', `{"key":${key},"value":1}`)
    expect([add.status, add.json.code]).toEqual([400, 'INVALID_KEY'])
    const batch = await app.call('POST', '/api/v1/batch', `{"writes":[{"key":${key},"value":1}]}`)
    expect(batch.json.results[0].code).toBe('INVALID_KEY')
  })

  test.each(['/get/%FF', '/api/v1/entries/%C0%80', '/api/v1/entries/%', '/api/v1/entries?key=%ED%A0%80'])(
    'broken percent-encoding: %s',
    async (path) => {
      const { status, json } = await app.call('GET', path)
      expect(status).toBe(400)
      expect(json.code).toMatch(/^INVALID_(KEY|REQUEST)$/)
      expect(json.error).toContain('percent-encoded')
    },
  )

  test('compressed bodies are taken, bounded by what they hold', async () => {
    const headers = { 'content-encoding': 'gzip' }
    const zipped = new Uint8Array(gzipSync('{"key":"zip","value":[1.50]}'))
    expect((await app.call('POST', '/add', zipped, headers)).status).toBe(200)
    expect((await app.call('GET', '/get/zip')).text).toContain('[1.50]')
    const bomb = new Uint8Array(gzipSync(`{"key":"zip","value":"${'x'.repeat(20_000_000)}"}`))
    expect((await app.call('POST', '/add', bomb, headers)).json.code).toBe('BODY_TOO_LARGE')
    expect((await app.call('POST', '/add', 'not gzip', headers)).json.code).toBe('INVALID_JSON')
    const other = await app.call('POST', '/add', '{}', { 'content-encoding': 'zstd' })
    expect(other.status).toBe(415)
  })

  test('bytes that are not UTF-8 are refused', async () => {
    const body = new Uint8Array(
      Buffer.concat([Buffer.from('{"key":"a","value":"'), Buffer.from([0xff, 0x22, 0x7d])]),
    )
    expect((await app.call('POST', '/add', body)).json.code).toBe('INVALID_JSON')
  })
})
