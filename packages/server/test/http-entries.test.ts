import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestApp, type TestApp } from './support/test-app.ts'

describe('/api/v1/entries', () => {
  let app: TestApp
  beforeAll(async () => {
    app = await startTestApp()
  })
  afterAll(() => app.close())
  const entry = (key: string) => `/api/v1/entries/${key}`

  test('a put answers with what was done, a get with the entry', async () => {
    const put = await app.call('PUT', entry('a'), { value: 1, time: '1833-01-01' })
    expect(put.json).toEqual({
      status: 'applied',
      key: 'a',
      op: 'put',
      applied: true,
      revision: expect.any(Number),
      at: expect.stringMatching(/^20\d\d-/),
      time: '1833-01-01T00:00:00.000Z',
    })
    const get = await app.call('GET', entry('a'))
    expect(get.json).toEqual({
      key: 'a',
      value: 1,
      revision: put.json.revision,
      updatedAt: put.json.at,
      time: put.json.time,
    })
    expect(get.headers.get('etag')).toBe(put.headers.get('etag'))
    expect(get.headers.get('etag')).toMatch(new RegExp(`^"[0-9a-f]{8}\\.1-${put.json.revision}"$`))
  })

  test('a missing entry says so and what it knows', async () => {
    const { json } = await app.call('PUT', entry('gone'), { value: 1 })
    const deleted = await app.call('DELETE', entry('gone'))
    expect(deleted.json).toMatchObject({ op: 'delete', applied: true, revision: json.revision + 1 })
    const get = await app.call('GET', entry('gone'))
    expect([get.status, get.json.code, get.json.key]).toEqual([404, 'KEY_NOT_FOUND', 'gone'])
    expect((await app.call('DELETE', entry('gone'))).json).toMatchObject({ applied: false, revision: 0 })
  })

  test('conditional reads', async () => {
    const etag = (await app.call('PUT', entry('cond'), { value: 1 })).headers.get('etag')!
    const get = (tag: string) => app.call('GET', entry('cond'), undefined, { 'if-none-match': tag })
    const same = await get(etag)
    expect([same.status, same.text, same.headers.get('etag')]).toEqual([304, '', etag])
    expect((await get(`"x", W/${etag}`)).status).toBe(304)
    expect((await get(etag.replace(/\w{8}\./, 'ffffffff.'))).status).toBe(200)
    await app.call('PUT', entry('cond'), { value: 2 })
    expect((await get(etag)).json.value).toBe(2)
  })

  test('conditional writes by header', async () => {
    const path = entry('cas')
    const created = await app.call('PUT', path, { value: 1 }, { 'if-none-match': '*' })
    expect(created.status).toBe(200)
    const again = await app.call('PUT', path, { value: 2 }, { 'if-none-match': '*' })
    expect([again.status, again.json.code, again.json.revision]).toEqual([
      412,
      'REVISION_CONFLICT',
      created.json.revision,
    ])
    const etag = created.headers.get('etag')!
    const other = etag.replace(/\w{8}\./, 'ffffffff.')
    for (const match of [other, `"${created.json.revision + 1}"`, `W/${etag}`, '"nonsense"']) {
      const refused = await app.call('PUT', path, { value: 3 }, { 'if-match': match })
      expect([match, refused.status, refused.json.revision]).toEqual([match, 412, created.json.revision])
    }
    expect((await app.call('PUT', path, { value: 4 }, { 'if-match': etag })).status).toBe(200)
    const bare = `"${created.json.revision + 1}"`
    expect((await app.call('DELETE', path, undefined, { 'if-match': bare })).json.applied).toBe(true)
    const star = await app.call('PUT', path, { value: 5 }, { 'if-match': '*' })
    expect([star.status, star.json.code]).toEqual([400, 'INVALID_REQUEST'])
  })

  test('conditional writes by field', async () => {
    const path = entry('cas2')
    expect((await app.call('PUT', path, { value: 1, ifRevision: 7 })).status).toBe(412)
    const first = await app.call('PUT', path, { value: 1, ifAbsent: true })
    expect(first.status).toBe(200)
    expect((await app.call('PUT', path, { value: 1, ifAbsent: true })).json.revision).toBe(
      first.json.revision,
    )
    const { revision } = (await app.call('PUT', path, { value: 2, ifRevision: first.json.revision })).json
    expect((await app.call('DELETE', `${path}?ifRevision=${first.json.revision}`)).status).toBe(412)
    expect((await app.call('DELETE', `${path}?ifRevision=${revision}`)).status).toBe(200)
    const both = await app.call('PUT', path, { value: 1, ifRevision: 3 }, { 'if-match': '"3"' })
    expect(both.json.code).toBe('INVALID_REQUEST')
  })

  test('skipUnchanged makes no change of an equal value', async () => {
    const path = entry('same')
    const { revision } = (await app.call('PUT', path, '{"value":1.0}')).json
    expect((await app.call('PUT', path, '{"value":1.0,"skipUnchanged":true}')).json).toMatchObject({
      applied: false,
      status: 'unchanged',
      revision,
    })
    expect((await app.call('PUT', path, '{"value":1.00,"skipUnchanged":true}')).json.applied).toBe(true)
  })

  test('increment and touch', async () => {
    const path = entry('count')
    expect((await app.call('PATCH', path, { op: 'increment', by: 5 })).json).toMatchObject({ value: 5 })
    expect((await app.call('PATCH', path, { op: 'increment' })).json).toMatchObject({
      value: 6,
      applied: true,
    })
    expect((await app.call('PATCH', path, { op: 'increment', by: -0.5 })).json.value).toBe(5.5)
    const touched = await app.call('PATCH', path, { op: 'touch', ttlMs: 3_600_000 })
    expect(Date.parse(touched.json.expiresAt) - Date.parse(touched.json.at)).toBe(3_600_000)
    expect((await app.call('GET', path)).json.expiresAt).toBe(touched.json.expiresAt)
    await app.call('PATCH', path, { op: 'touch' })
    expect((await app.call('GET', path)).json.expiresAt).toBeUndefined()
    const absent = await app.call('PATCH', entry('absent'), { op: 'touch' })
    expect([absent.status, absent.json.code]).toEqual([404, 'KEY_NOT_FOUND'])
    await app.call('PUT', path, { value: 'text' })
    const text = await app.call('PATCH', path, { op: 'increment', by: 1 })
    expect([text.status, text.json.code]).toEqual([409, 'NOT_A_NUMBER'])
    for (const body of [
      { op: 'double' },
      { by: 1 },
      { op: 'increment', by: '1' },
      { op: 'touch', value: 1 },
    ]) {
      expect((await app.call('PATCH', path, body)).status).toBe(400)
    }
  })

  test('an entry is gone when its time is over', async () => {
    await app.call('PUT', entry('brief'), { value: 1, ttlMs: 50 })
    await expect
      .poll(async () => (await app.call('GET', entry('brief'))).status, { timeout: 30_000 })
      .toBe(404)
    const { changes } = (await app.call('GET', '/api/v1/history?key=brief')).json
    expect(changes.map(({ op }: { op: string }) => op)).toEqual(['put', 'delete'])
  })

  test('an idempotency key makes a repeat safe', async () => {
    const path = entry('once')
    const headers = { 'idempotency-key': 'order-1' }
    const first = await app.call('PATCH', path, { op: 'increment', by: 5 }, headers)
    const second = await app.call('PATCH', path, { op: 'increment', by: 5, idempotencyKey: 'order-1' })
    expect(second.json).toMatchObject({ revision: first.json.revision, value: 5, repeated: true })
    expect((await app.call('GET', path)).json.value).toBe(5)
    const other = await app.call('PATCH', path, { op: 'increment', by: 6 }, headers)
    expect([other.status, other.json.code]).toEqual([422, 'IDEMPOTENCY_MISMATCH'])
    expect((await app.call('PUT', path, { value: 1, idempotencyKey: '' })).status).toBe(400)
    const viaQuery = () => app.call('DELETE', `${path}?idempotencyKey=order-2`)
    expect((await viaQuery()).json.repeated).toBeUndefined()
    expect((await viaQuery()).json.repeated).toBe(true)
  })

  test.each([
    [{ value: 1, ttlms: 5 }, 'ttlms'],
    [{ value: 1, ttlMs: 0 }, 'ttlMs'],
    [{ value: 1, ttlMs: 1.5 }, 'ttlMs'],
    [{ value: 1, ttlMs: '5' }, 'ttlMs'],
    [{ value: 1, ifRevision: -1 }, 'ifRevision'],
    [{ value: 1, ifAbsent: 1 }, 'ifAbsent'],
    [{ value: 1, time: 'yesterday' }, 'yesterday'],
    [{ value: 1, time: '2024-02-30' }, '2024-02-30'],
    [{ value: 1, time: '2024-01-01T00:00:00' }, 'zone'],
    [{ value: 1, time: Date.now() * 1000 }, 'microseconds'],
    [{ value: 1, time: 1e17 }, 'time'],
    [{}, 'value'],
    ['{"__proto__":{"value":1}}', 'value'],
  ])('refused put %j', async (body, named) => {
    const { status, json } = await app.call('PUT', entry('bad'), body)
    expect([status, json.code]).toEqual([400, 'INVALID_REQUEST'])
    expect(json.error).toContain(named)
    expect((await app.call('GET', entry('bad'))).status).toBe(404)
  })

  test.each([
    ['1833-01', '1833-01-01T00:00:00.000Z'],
    ['1969-12-31T23:59:59.5+07:00', '1969-12-31T16:59:59.500Z'],
    [-1, '1969-12-31T23:59:59.999Z'],
    ['-62135596800000', '0001-01-01T00:00:00.000Z'],
    ['-000100-01-01', '-000100-01-01T00:00:00.000Z'],
    ['2024', '2024-01-01T00:00:00.000Z'],
  ])('time %j', async (time, iso) => {
    expect((await app.call('PUT', entry('timed'), { value: 1, time })).json.time).toBe(iso)
  })

  test('lists by prefix, page by page', async () => {
    const keys = Array.from({ length: 25 }, (_, index) => `list.${String(index).padStart(2, '0')}`)
    await app.call('POST', '/api/v1/batch', { writes: keys.map((key) => ({ key, value: key })) })
    await app.call('PUT', entry('lisu'), { value: 'not in it' })
    const seen: string[] = []
    let cursor = ''
    for (let pages = 0; pages < 10; pages++) {
      const { json } = await app.call('GET', `/api/v1/entries?prefix=list.&limit=10${cursor}`)
      seen.push(...json.entries.map((each: { key: string }) => each.key))
      if (json.next === undefined) break
      cursor = `&cursor=${json.next}`
    }
    expect(seen).toEqual(keys)
    const foreign = await app.call('GET', `/api/v1/entries?prefix=other${cursor}`)
    expect([foreign.status, foreign.json.code]).toEqual([400, 'INVALID_CURSOR'])
    expect((await app.call('GET', '/api/v1/entries?cursor=xyz')).json.code).toBe('INVALID_CURSOR')
    expect((await app.call('GET', '/api/v1/entries?prefix=nothing-here')).json.entries).toEqual([])
  })

  test('many by their keys', async () => {
    await app.call('PUT', entry('m1'), '{"value":1.10}')
    const get = await app.call('POST', '/api/v1/entries/get', { keys: ['m2', 'm1', 'm1', '__proto__'] })
    expect(get.json.entries.map((each: { key: string }) => each.key)).toEqual(['m1'])
    expect(get.text).toContain('"value":1.10')
    expect(get.json.missing).toEqual(['m2', '__proto__'])
    expect((await app.call('POST', '/api/v1/entries/get', { keys: 'm1' })).status).toBe(400)
    expect((await app.call('POST', '/api/v1/entries/get', { keys: ['m1'], atleast: 1 })).status).toBe(400)
    const many = await app.call('POST', '/api/v1/entries/get', { keys: Array(1001).fill('x') })
    expect(many.json.code).toBe('BATCH_TOO_LARGE')
  })

  test('atLeast is reached, or said not to be', async () => {
    const { revision } = (await app.call('PUT', entry('fresh'), { value: 1 })).json
    expect((await app.call('GET', `${entry('fresh')}?atLeast=${revision}`)).status).toBe(200)
    expect((await app.call('GET', `/api/v1/entries?prefix=fresh&atLeast=${revision}`)).status).toBe(200)
    for (const path of [`${entry('fresh')}?atLeast=999999999`, '/api/v1/entries?atLeast=999999999']) {
      const far = await app.call('GET', path)
      expect([far.status, far.json.code]).toEqual([503, 'REVISION_NOT_REACHED'])
      expect(far.headers.get('retry-after')).toBe('1')
    }
  })

  test.each([
    '?limt=5',
    '?limit=0',
    '?limit=1001',
    '?limit=ten',
    '?limit=1&limit=2',
    '?key=a&prefix=b',
    '?key=',
  ])('refused query %s', async (query) => {
    expect((await app.call('GET', `/api/v1/entries${query}`)).status).toBe(400)
  })

  test('a delete with a body is refused, since it would be ignored', async () => {
    expect((await app.call('DELETE', entry('a'), { ifRevision: 1 })).json.code).toBe('INVALID_REQUEST')
  })
})
