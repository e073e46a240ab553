import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestApp, type TestApp } from './support/test-app.ts'

describe('POST /api/v1/batch', () => {
  let app: TestApp
  beforeAll(async () => {
    app = await startTestApp({ MAX_BATCH_ITEMS: '100' })
  })
  afterAll(() => app.close())
  const batch = (body: unknown) => app.call('POST', '/api/v1/batch', body)

  test('results stand in the order of the writes, and a refused one leaves the others alone', async () => {
    const { status, json } = await batch({
      writes: [
        { op: 'put', key: 'a', value: 1 },
        { op: 'put', key: 'b' },
        { op: 'increment', key: 'a', by: 2 },
        { op: 'put', key: 'a', value: 9, ifRevision: 999_999 },
        null,
        { op: 'nonsense', key: 'x' },
        { op: 'delete', key: 'absent' },
        { key: 'c', value: null, ttlMs: 60_000 },
        { op: 'touch', key: 'absent' },
      ],
    })
    expect(status).toBe(200)
    expect(json.results.map((each: Record<string, unknown>) => each.code ?? each.status)).toEqual([
      'applied',
      'INVALID_REQUEST',
      'applied',
      'REVISION_CONFLICT',
      'INVALID_REQUEST',
      'INVALID_REQUEST',
      'unchanged',
      'applied',
      'KEY_NOT_FOUND',
    ])
    expect(json.results[2]).toMatchObject({ key: 'a', value: 3, revision: json.results[0].revision + 1 })
    expect(json.results[3]).toMatchObject({ key: 'a', status: 'failed', revision: json.results[2].revision })
    expect(json.results[1]).toMatchObject({ key: 'b', status: 'failed' })
    expect((await app.call('GET', '/get/a')).json.value).toBe(3)
  })

  test('atomic: all', async () => {
    const { status, json } = await batch({
      atomic: true,
      writes: [
        { key: 'x', value: 1, ifAbsent: true },
        { key: 'y', value: 2 },
      ],
    })
    expect(status).toBe(200)
    expect(json.results.map((each: { applied: boolean }) => each.applied)).toEqual([true, true])
  })

  test('atomic: or none', async () => {
    const conflict = await batch({
      atomic: true,
      writes: [
        { key: 'z', value: 1 },
        { key: 'x', value: 2, ifAbsent: true },
        { key: 'w', value: 1 },
      ],
    })
    expect([conflict.status, conflict.json.code, conflict.json.index]).toEqual([412, 'REVISION_CONFLICT', 1])
    const text = await batch({
      atomic: true,
      writes: [
        { key: 'z', value: 'text' },
        { op: 'increment', key: 'z', by: 1 },
      ],
    })
    expect([text.status, text.json.code, text.json.index]).toEqual([409, 'NOT_A_NUMBER', 1])
    const broken = await batch({
      atomic: true,
      writes: [
        { key: 'z', value: 1 },
        { key: '', value: 1 },
      ],
    })
    expect([broken.status, broken.json.code, broken.json.index]).toEqual([400, 'INVALID_KEY', 1])
    for (const key of ['z', 'w']) expect((await app.call('GET', `/get/${key}`)).status).toBe(404)
    expect((await app.call('GET', '/get/x')).json.value).toBe(1)
  })

  test('a repeated write within one batch is applied once', async () => {
    const write = { op: 'increment', key: 'once', by: 1, idempotencyKey: 'batch-1' }
    const { results } = (await batch({ writes: [write, write] })).json
    expect(results[0].repeated).toBeUndefined()
    expect(results[1]).toMatchObject({ repeated: true, revision: results[0].revision, value: 1 })
    expect((await app.call('GET', '/get/once')).json.value).toBe(1)
  })

  test('limits', async () => {
    const writes = (count: number) =>
      Array.from({ length: count }, (_, index) => ({ key: `n${index}`, value: index }))
    expect((await batch({ writes: writes(100) })).json.results).toHaveLength(100)
    const many = await batch({ writes: writes(101) })
    expect([many.status, many.json.code]).toEqual([413, 'BATCH_TOO_LARGE'])
    expect((await batch({ writes: [] })).json).toEqual({ results: [] })
    for (const body of [
      {},
      { writes: {} },
      { writes: null },
      { writes: [], atomic: 'yes' },
      { writes: [], atomc: true },
    ]) {
      expect((await batch(body)).status).toBe(400)
    }
  })

  test('of a repeated member the last one counts, in the text as in the meaning', async () => {
    const { json } = await batch(
      '{"writes":[{"key":"no","value":0}],"writes":[{"key":"yes","value":0,"value":1.0}]}',
    )
    expect(json.results).toHaveLength(1)
    expect((await app.call('GET', '/get/yes')).text).toContain('{"value":1.0,')
    expect((await app.call('GET', '/get/no')).status).toBe(404)
  })
})
