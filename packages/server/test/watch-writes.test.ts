import { expect, test } from 'vitest'
import { useLiveApp } from './support/live-app.ts'

const live = useLiveApp()

test('put and delete are acknowledged as over HTTP, and to be read at once', async () => {
  const client = await live.connect()
  const done = await client.ask('put', { key: 'w/a', value: 1, time: '2024-01-02', ttlMs: 60_000 })
  expect(done).toEqual({
    status: 'applied',
    op: 'put',
    key: 'w/a',
    applied: true,
    revision: expect.any(Number),
    at: expect.any(String),
    time: '2024-01-02T00:00:00.000Z',
    expiresAt: expect.any(String),
  })
  const { json } = await live.call('GET', '/api/v1/entries?key=w/a')
  expect(json).toMatchObject({ value: 1, revision: done.revision, expiresAt: done.expiresAt })
  const gone = await client.ask<{ revision: number }>('delete', { key: 'w/a' })
  expect(gone).toMatchObject({ status: 'applied', op: 'delete', key: 'w/a', applied: true })
  expect((await live.call('GET', '/api/v1/entries?key=w/a')).json).toMatchObject({ revision: gone.revision })
  expect(await client.ask('delete', { key: 'w/a' })).toEqual({
    status: 'unchanged',
    op: 'delete',
    key: 'w/a',
    applied: false,
    revision: 0,
  })
})

/** Each as it is kept, sent, and shown. */
const VALUES = [
  '1.10',
  '12345678901234567890',
  '-0.0',
  '1E5',
  '{"b":1.0,"a":[2.50,"\\u0041",null],"b":3}',
  '"caf\\u00e9 \\ud83d\\ude00 日本"',
  'null',
  '[ 1 , 2 ]',
]

test.each(VALUES)('%s is kept and shown as it was written', async (value) => {
  const client = await live.connect()
  const texts: string[] = []
  client.onText((text) => texts.push(text))
  const watch = await client.watch({ watch: 'w', prefix: 'v/' })
  await expect.poll(() => watch.snapshots).toBe(1)
  const single = await client.askText(`[ "put" , { "key":"v/single", "value" : ${value} } ]`)
  expect(JSON.parse(single)).toMatchObject({ status: 'applied' })
  // The last of a repeated member counts, and a name may be written in escapes.
  const twice = await client.askText(`["put",{"value":0,"key":"v/twice","\\u0076alue":${value}}]`)
  expect(JSON.parse(twice)).toMatchObject({ status: 'applied' })
  const batch = await client.askText(
    `["batch",{"writes":[{"key":"v/none","value":0},{"value":${value},"key":"v/batch"}]}]`,
  )
  const { results } = JSON.parse(batch)
  await expect.poll(() => watch.shown.get('v/batch')?.revision).toBe(results[1].revision)
  for (const key of ['v/single', 'v/twice', 'v/batch']) {
    expect(
      texts.some((text) => text.includes(`{"key":"${key}","op":"put","value":${value},"revision"`)),
    ).toBe(true)
    expect((await live.call('GET', `/api/v1/entries?key=${key}`)).text).toContain(`"value":${value},`)
  }
  const again = await live.connect()
  again.onText((text) => texts.push(text))
  const later = await again.watch({ watch: 'w', keys: ['v/single'] })
  await expect.poll(() => later.snapshots).toBe(1)
  expect(texts.at(-1)).toContain(`"entries":[{"key":"v/single","value":${value},"revision"`)
})

test('conditions', async () => {
  const client = await live.connect()
  const first = await client.ask<{ revision: number }>('put', { key: 'c', value: 1, ifAbsent: true })
  expect(first).toMatchObject({ status: 'applied' })
  const { revision } = first
  const conflict = {
    code: 'REVISION_CONFLICT',
    revision,
    error: expect.stringContaining(`is at revision ${revision} now`),
  }
  expect(await client.ask('put', { key: 'c', value: 2, ifAbsent: true })).toEqual(conflict)
  expect(await client.ask('put', { key: 'c', value: 2, ifRevision: 0 })).toEqual(conflict)
  expect(await client.ask('delete', { key: 'c', ifRevision: revision + 1 })).toEqual(conflict)
  expect(await client.ask('put', { key: 'c', value: 1, skipUnchanged: true })).toMatchObject({
    status: 'unchanged',
    revision,
  })
  expect(await client.ask('put', { key: 'c', value: 2, ifRevision: revision })).toMatchObject({
    status: 'applied',
  })
})

test('a write that is repeated with its idempotency key is applied once, from whichever socket', async () => {
  const [client, other] = [await live.connect(), await live.connect()]
  const write = { key: 'once', value: 1, idempotencyKey: 'once 1' }
  const first = await client.ask('put', write)
  expect(await other.ask('put', write)).toEqual({ ...first, repeated: true })
  expect(await other.ask('put', { ...write, value: 2 })).toMatchObject({ code: 'IDEMPOTENCY_MISMATCH' })
  const sum = { op: 'increment', key: 'sum', by: 2, idempotencyKey: 'once 2' }
  const { results } = await client.ask<{ results: unknown[] }>('batch', { writes: [sum] })
  expect(results).toMatchObject([{ status: 'applied', value: 2 }])
  expect(await other.ask('batch', { writes: [sum, { ...sum, idempotencyKey: 'once 3' }] })).toMatchObject({
    results: [{ repeated: true, value: 2 }, { value: 4 }],
  })
})

test('a batch: each item for itself, or with atomic all or none', async () => {
  const client = await live.connect()
  const writes = [
    { key: 'b/1', value: 1 },
    { op: 'put', key: 'b/2', value: 2, ifRevision: 77 },
    { op: 'nonsense', key: 'b/3' },
    { op: 'increment', key: 'b/4', by: 1.5 },
    { op: 'touch', key: 'b/none' },
    { op: 'delete', key: 'b/1' },
  ]
  const { results } = await client.ask<{ results: Record<string, unknown>[] }>('batch', { writes })
  expect(results.map(({ status, code }) => code ?? status)).toEqual([
    'applied',
    'REVISION_CONFLICT',
    'INVALID_REQUEST',
    'applied',
    'KEY_NOT_FOUND',
    'applied',
  ])
  expect(results[1]).toMatchObject({ status: 'failed', key: 'b/2', revision: 0 })
  const refused = await client.ask('batch', { writes: [{ key: 'b/5', value: 5 }, writes[1]], atomic: true })
  expect(refused).toMatchObject({
    code: 'REVISION_CONFLICT',
    index: 1,
    error: expect.stringContaining('Nothing was applied'),
  })
  expect((await live.call('GET', '/api/v1/entries?key=b/5')).status).toBe(404)
  expect(
    await client.ask('batch', { writes: [{ key: 'b/5', value: 5 }, writes[3]], atomic: true }),
  ).toMatchObject({
    results: [{ status: 'applied' }, { status: 'applied', value: 3 }],
  })
  expect(await client.ask('batch', { writes: [] })).toEqual({ results: [] })
})

test('the writes of one socket are applied in their order', async () => {
  const client = await live.connect()
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, n) =>
      client.ask<{ revision: number }>('put', { key: 'order', value: n }),
    ),
  )
  const revisions = answers.map(({ revision }) => revision)
  expect(revisions).toEqual(revisions.toSorted((a, b) => a - b))
  expect((await live.call('GET', '/get/order')).json.value).toBe(199)
})
