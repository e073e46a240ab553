import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type PostgresServer, startPostgres } from './services/postgres.ts'
import { createTestDatabase } from './services/test-database.ts'
import { startTestApp, type TestApp } from './support/test-app.ts'

describe('the whole server on PostgreSQL', () => {
  let database: string
  let first: TestApp
  let second: TestApp
  beforeAll(async () => {
    database = await createTestDatabase()
    first = await startTestApp({ DATABASE_URL: database })
    second = await startTestApp({ DATABASE_URL: database })
  })
  afterAll(async () => {
    await first.close()
    await second.close()
  })

  test('values come back as they were written, on the other instance too', async () => {
    const json = '{"b":1.10,"a":12345678901234567890,"n":"\\u00e9"}'
    const { revision } = (await first.call('PUT', '/api/v1/entries/pg', `{"value":${json}}`)).json
    const read = await second.call('GET', `/api/v1/entries/pg?atLeast=${revision}`)
    expect(read.text).toContain(`"value":${json},"revision":${revision},`)
    const tags = [read, await first.call('GET', '/api/v1/entries/pg')].map((each) => each.headers.get('etag'))
    expect(tags[0]).toBe(tags[1])
    const stale = await second.call('PUT', '/api/v1/entries/pg', { value: 2 }, { 'if-match': tags[0]! })
    expect(stale.status).toBe(200)
    expect(
      (await first.call('PUT', '/api/v1/entries/pg', { value: 3 }, { 'if-match': tags[0]! })).status,
    ).toBe(412)
  })

  test('a repeat is known on the other instance', async () => {
    const write = { op: 'increment', by: 1, idempotencyKey: 'pg-1' }
    const { json } = await first.call('PATCH', '/api/v1/entries/count', write)
    const repeat = await second.call('PATCH', '/api/v1/entries/count', write)
    expect(repeat.json).toMatchObject({ repeated: true, revision: json.revision, value: 1 })
  })

  test('history, candles and the log', async () => {
    const writes = ['1833-01-01', '1950-06-01', '2024-01-31'].map((time, index) => ({
      key: 'old',
      value: index + 0.5,
      time,
    }))
    await first.call('POST', '/api/v1/batch', { writes })
    const { candles } = (await second.call('GET', '/api/v1/candles?key=old&interval=1y')).json
    expect(
      candles.map((candle: { time: string; close: number }) => [candle.time.slice(0, 4), candle.close]),
    ).toEqual([
      ['1833', 0.5],
      ['1950', 1.5],
      ['2024', 2.5],
    ])
    const { changes } = (await second.call('GET', '/api/v1/history?key=old&order=desc&limit=1')).json
    expect(changes[0].time).toBe('2024-01-31T00:00:00.000Z')
  })
})

test('with PostgreSQL away the instance is not ready and says why; with it back it is', async () => {
  const server: PostgresServer = await startPostgres()
  const app = await startTestApp({ DATABASE_URL: server.url })
  try {
    await app.call('POST', '/add', { key: 'kept', value: 1 })
    await server.shutDown()
    const ready = await app.call('GET', '/readyz')
    expect([ready.status, ready.json.code]).toEqual([503, 'STORE_FAILED'])
    expect(ready.headers.get('retry-after')).toMatch(/^\d+$/)
    const status = await app.call('GET', '/api/v1/status')
    expect([status.status, status.json.healthy, status.json.revision]).toEqual([503, false, null])
    expect((await app.call('GET', '/healthz')).status).toBe(200)
    expect((await app.call('GET', '/get/kept')).json.value).toBe(1)
    await server.start()
    await expect.poll(async () => (await app.call('GET', '/readyz')).status, { timeout: 60_000 }).toBe(200)
    expect((await app.call('POST', '/add', { key: 'kept', value: 2 })).json.revision).toBe(2)
  } finally {
    await app.close()
    await server.stop()
  }
})
