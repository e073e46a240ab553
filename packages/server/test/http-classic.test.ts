import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestApp, type TestApp } from './support/test-app.ts'

describe('classic routes', () => {
  let app: TestApp
  beforeAll(async () => {
    app = await startTestApp()
  })
  afterAll(() => app.close())

  test('a value is stored and read back', async () => {
    const stored = await app.call('POST', '/add', { key: 'gold', value: 2650.1 })
    expect(stored.status).toBe(200)
    expect(stored.text).toBe(
      `{"success":true,"message":"Value stored successfully","revision":${stored.json.revision}}`,
    )
    const read = await app.call('GET', '/get/gold')
    expect(read.status).toBe(200)
    expect(read.headers.get('content-type')).toBe('application/json; charset=utf-8')
    expect(Object.keys(read.json).sort()).toEqual(['revision', 'source', 'updatedAt', 'value'])
    expect(read.json).toMatchObject({ value: 2650.1, revision: stored.json.revision })
    expect(read.json.source).toMatch(/^(cache|database)$/)
    expect(new Date(read.json.updatedAt).toISOString()).toBe(read.json.updatedAt)
    expect(Math.abs(Date.parse(read.json.updatedAt) - Date.now())).toBeLessThan(600_000)
  })

  test('an unknown key is 404', async () => {
    const read = await app.call('GET', '/get/nobody-wrote-this')
    expect(read.status).toBe(404)
    expect(read.json).toEqual({ error: 'Key not found', code: 'KEY_NOT_FOUND' })
  })

  test('keys come most recently changed first', async () => {
    for (const key of ['k1', 'k2', 'k3', 'k1']) await app.call('POST', '/add', { key, value: key })
    const { json } = await app.call('GET', '/keys')
    expect(json.success).toBe(true)
    expect(json.data.slice(0, 3)).toEqual(['k1', 'k3', 'k2'])
    expect(json.truncated).toBeUndefined()
    await app.call('DELETE', '/api/v1/entries/k3')
    expect((await app.call('GET', '/keys')).json.data.slice(0, 2)).toEqual(['k1', 'k2'])
  })

  test.each([
    ['no key', '{"value":1}', 'INVALID_REQUEST'],
    ['no value', '{"key":"a"}', 'INVALID_REQUEST'],
    ['nothing', '{}', 'INVALID_REQUEST'],
    ['an empty key', '{"key":"","value":1}', 'INVALID_KEY'],
    ['a number as key', '{"key":7,"value":1}', 'INVALID_KEY'],
    ['an array', '[]', 'INVALID_REQUEST'],
    ['null', 'null', 'INVALID_REQUEST'],
  ])('%s is 400', async (_name, body, code) => {
    const answer = await app.call('POST', '/add', body)
    expect(answer.status).toBe(400)
    expect(answer.json).toEqual({ error: expect.stringMatching(/./), code })
  })

  test.each(['null', '0', 'false', '""', '[]', '{}', '"text"', '-0', '[null,{"a":[]}]'])(
    '%s is a value',
    async (json) => {
      expect((await app.call('POST', '/add', `{"key":"any","value":${json}}`)).status).toBe(200)
      expect((await app.call('GET', '/get/any')).text).toMatch(`{"value":${json},"updatedAt":"`)
    },
  )

  test('other fields of the body are left alone', async () => {
    expect((await app.call('POST', '/add', { key: 'extra', value: 1, note: 'x' })).status).toBe(200)
  })
})
