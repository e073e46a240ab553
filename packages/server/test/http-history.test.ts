import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestApp, type TestApp } from './support/test-app.ts'

describe('history, candles and the log', () => {
  let app: TestApp
  const day = (index: number) => new Date(Date.UTC(1950, 0, 1 + index)).toISOString().slice(0, 10)
  const values = Array.from({ length: 60 }, (_, index) => `${34 + index}.50`)
  beforeAll(async () => {
    app = await startTestApp()
    const writes = values.map((value, index) => `{"key":"gold","value":${value},"time":"${day(index)}"}`)
    await app.call('POST', '/api/v1/batch', `{"writes":[${writes.join(',')},{"key":"silver","value":1}]}`)
    await app.call('DELETE', '/api/v1/entries/silver')
  })
  afterAll(() => app.close())

  // biome-ignore lint/suspicious/noExplicitAny: items of several shapes
  const all = async (path: string, field: string): Promise<{ items: any[]; pages: number }> => {
    const items: unknown[] = []
    let cursor = ''
    for (let pages = 1; ; pages++) {
      const { status, json } = await app.call('GET', `${path}${cursor}`)
      expect(status).toBe(200)
      items.push(...json[field])
      if (json.next === undefined) return { items, pages }
      cursor = `&cursor=${encodeURIComponent(json.next)}`
    }
  }

  test('every change in order, in pages, both ways', async () => {
    for (const by of ['time', 'revision']) {
      const up = await all(`/api/v1/history?key=gold&by=${by}&limit=7`, 'changes')
      expect(up.pages).toBeGreaterThan(1)
      expect(up.items.map((change) => change.value)).toEqual(values.map(Number))
      expect(up.items.map((change) => change.time.slice(0, 10))).toEqual(values.map((_, index) => day(index)))
      const down = await all(`/api/v1/history?key=gold&by=${by}&order=desc&limit=7`, 'changes')
      expect(down.items).toEqual(up.items.toReversed())
    }
    expect((await app.call('GET', '/api/v1/history?key=gold&limit=1')).text).toContain('"value":34.50')
  })

  test('a range of time, from inclusive, to exclusive', async () => {
    const { json } = await app.call('GET', `/api/v1/history?key=gold&from=${day(3)}&to=${day(6)}`)
    expect(json.changes.map((change: { value: number }) => change.value)).toEqual([37.5, 38.5, 39.5])
    const year = await app.call('GET', '/api/v1/history?key=gold&from=1950&to=1951&limit=1000')
    expect(year.json.changes).toHaveLength(60)
  })

  test('a delete is a change without a value', async () => {
    const { changes } = (await app.call('GET', '/api/v1/history?key=silver')).json
    expect(changes.map((change: object) => Object.keys(change).sort())).toEqual([
      ['at', 'key', 'op', 'revision', 'time', 'value'],
      ['at', 'key', 'op', 'revision', 'time'],
    ])
    expect((await app.call('GET', '/api/v1/history?key=unknown')).json).toEqual({ changes: [] })
  })

  test('monthly candles, also in pages', async () => {
    const path = '/api/v1/candles?key=gold&interval=1mo'
    const { items } = await all(path, 'candles')
    expect(items).toEqual([
      { time: '1950-01-01T00:00:00.000Z', open: 34.5, high: 64.5, low: 34.5, close: 64.5, count: 31 },
      { time: '1950-02-01T00:00:00.000Z', open: 65.5, high: 92.5, low: 65.5, close: 92.5, count: 28 },
      { time: '1950-03-01T00:00:00.000Z', open: 93.5, high: 93.5, low: 93.5, close: 93.5, count: 1 },
    ])
    expect((await all(`${path}&limit=1`, 'candles')).items).toEqual(items)
    expect((await app.call('GET', path)).text).toMatch(/"open":34.50?,/)
    const daily = await all('/api/v1/candles?key=gold&interval=1d&limit=9', 'candles')
    expect(daily.items.map((candle) => candle.close)).toEqual(values.map(Number))
  })

  test('the log, from a revision to the head', async () => {
    const { items, pages } = await all('/api/v1/changes?since=0&limit=10', 'changes')
    expect(pages).toBe(7)
    expect(items.map((change) => change.revision)).toEqual(
      Array.from({ length: 62 }, (_, index) => index + 1),
    )
    const { json } = await app.call('GET', '/api/v1/changes?since=60')
    expect(json).toMatchObject({ head: 62, through: 62 })
    expect(json.changes).toHaveLength(2)
    const silver = await all('/api/v1/changes?prefix=silver&limit=10', 'changes')
    expect(silver.items.map((change) => change.op)).toEqual(['put', 'delete'])
    const beyond = await app.call('GET', '/api/v1/changes?since=63')
    expect([beyond.status, beyond.json.code]).toEqual([400, 'INVALID_CURSOR'])
  })

  test('values that are no numbers are passed over', async () => {
    const values = ['1', '"2.50"', '"a\\u0000"', 'null', '{"a":1}', '[1]', '" 3"', '1e40', '"x"']
    for (const value of values) {
      await app.call('POST', '/add', `{"key":"mixed","value":${value}}`)
    }
    const { status, json } = await app.call('GET', '/api/v1/candles?key=mixed&interval=1y')
    expect(status).toBe(200)
    expect(json.candles.reduce((sum: number, candle: { count: number }) => sum + candle.count, 0)).toBe(3)
  })

  test.each([
    '/api/v1/history',
    '/api/v1/history?key=gold&by=value',
    '/api/v1/history?key=gold&order=up',
    '/api/v1/history?key=gold&from=soon',
    '/api/v1/history?key=gold&cursor=abc',
    '/api/v1/candles?key=gold&interval=1x',
    '/api/v1/candles?key=gold&interval=0d',
    '/api/v1/candles?key=gold&cursor=e30',
    '/api/v1/changes?since=-1',
    '/api/v1/changes?key=gold',
  ])('refused: %s', async (path) => {
    const { status, json } = await app.call('GET', path)
    expect(status).toBe(400)
    expect(json.code).toMatch(/^INVALID_/)
  })

  test('a cursor is bound to its query', async () => {
    const { next } = (await app.call('GET', '/api/v1/history?key=gold&limit=5')).json
    const other = await app.call('GET', `/api/v1/history?key=silver&limit=5&cursor=${next}`)
    expect(other.json.code).toBe('INVALID_CURSOR')
    expect((await app.call('GET', `/api/v1/candles?key=gold&cursor=${next}`)).json.code).toBe(
      'INVALID_CURSOR',
    )
  })
})
