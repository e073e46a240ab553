import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../../server/test/support/test-app.ts'
import type { Json, LiveKVError } from '../src/index.ts'
import { clientsOfTests } from './support/clients.ts'
import { errorOf } from './support/error-of.ts'

let app: TestApp
const connect = clientsOfTests()
beforeAll(async () => {
  app = await startTestApp({ MAX_BODY_BYTES: '262144' })
})
afterAll(() => app.close())

const textOf = async (key: string) => (await app.call('GET', `/api/v1/entries?key=${key}`)).text

describe('put', () => {
  test.each([null, false, 0, '', 'ü\u2028"\\', -0.5, 1e300, [], { a: { b: [1, '2', null] } }] as Json[])(
    '%j comes back as it was written',
    async (value) => {
      const client = connect(app.url)
      const { revision } = await client.put('any', value)
      expect(await client.get('any')).toMatchObject({ value, revision })
    },
  )

  test('resolves with what the server did, and takes the source’s time and an expiry', async () => {
    const client = connect(app.url)
    const result = await client.put('full', 1, { time: '2020-02-03', ttlMs: 60_000 })
    expect(result).toMatchObject({
      status: 'applied',
      op: 'put',
      key: 'full',
      time: '2020-02-03T00:00:00.000Z',
    })
    expect(await client.get('full')).toMatchObject({
      time: '2020-02-03T00:00:00.000Z',
      revision: result.revision,
      expiresAt: expect.stringMatching(/Z$/),
    })
    expect(await client.put('full', 1, { skipUnchanged: true })).toMatchObject({
      status: 'unchanged',
      revision: result.revision,
    })
  })

  test('conditions that do not hold are conflicts, with the revision there is', async () => {
    const client = connect(app.url)
    const { revision } = await client.put('cond', 1, { ifAbsent: true })
    expect(await errorOf(client.put('cond', 2, { ifAbsent: true }))).toMatchObject({
      code: 'REVISION_CONFLICT',
      status: 412,
      retryable: false,
      details: { revision, key: 'cond' },
    })
    expect(await errorOf(client.put('cond', 2, { ifRevision: revision + 1 }))).toMatchObject({
      code: 'REVISION_CONFLICT',
    })
    expect(await client.put('cond', 2, { ifRevision: revision })).toMatchObject({ status: 'applied' })
  })

  test('repeated with the same idempotency key it is applied once', async () => {
    const client = connect(app.url)
    const once = await client.put('idem', 1, { idempotencyKey: 'mine' })
    expect(await client.put('idem', 1, { idempotencyKey: 'mine' })).toEqual({ ...once, repeated: true })
    expect(await errorOf(client.put('idem', 2, { idempotencyKey: 'mine' }))).toMatchObject({
      code: 'IDEMPOTENCY_MISMATCH',
      status: 422,
    })
  })

  const circular: { [name: string]: Json } = {}
  circular.self = circular
  test.each([
    [Number.NaN, 'value is NaN'],
    [{ price: Number.NEGATIVE_INFINITY }, 'price is -Infinity'],
    [[1n], '0 is 1n'],
    [undefined, 'its value is undefined'],
    [() => 1, 'which JSON does not have'],
    [Symbol('s'), 'Symbol(s)'],
    [circular, 'circular'],
  ])('%o is refused before it is sent, and says why', async (value, why) => {
    const error = await errorOf(connect(app.url).put('not json', value as never))
    expect(error).toMatchObject({ code: 'INVALID_VALUE', status: 400, details: { key: 'not json' } })
    expect(error.message).toContain('The put of "not json"')
    expect(error.message).toContain(why)
  })

  test.each([
    ['', 'INVALID_KEY', 400],
    [undefined as never, 'INVALID_KEY', 400],
    ['\u0007', 'INVALID_KEY', 400],
    ['x'.repeat(513), 'INVALID_KEY', 400],
  ])('the key %j is refused', async (key, code, status) => {
    expect(await errorOf(connect(app.url).put(key, 1))).toMatchObject({ code, status, retryable: false })
  })

  test('a value that is too large is refused, even one larger than any message', async () => {
    const client = connect(app.url)
    for (const chars of [70_000, 300_000, 3_000_000]) {
      const error = await errorOf(client.put('large', 'x'.repeat(chars)))
      expect(error.code).toBe(chars < 200_000 ? 'VALUE_TOO_LARGE' : 'BODY_TOO_LARGE')
      expect(error.status).toBe(413)
    }
    expect(await client.put('large', 'fits')).toMatchObject({ status: 'applied' })
  })

  test('a field that is wrong is refused by its name', async () => {
    const client = connect(app.url)
    expect((await errorOf(client.put('f', 1, { ttlMs: -1 }))).message).toContain('ttlMs')
    expect((await errorOf(client.put('f', 1, { ttl: 1 } as never))).message).toContain('"ttl"')
  })

  test('what happens to the caller’s object afterwards does not matter', async () => {
    const client = connect(app.url)
    const value = { a: 1 }
    const written = client.put('copied', value)
    value.a = 2
    await written
    expect((await client.get('copied'))?.value).toEqual({ a: 1 })
  })
})

describe('putMany', () => {
  test('resolves with all results in order, also for more than a request may have', async () => {
    const client = connect(app.url)
    const entries = Array.from({ length: 6_000 }, (_, i) => ({ key: `m/${i % 5_000}`, value: i }))
    const results = await client.putMany(entries)
    expect(results.map(({ key }) => key)).toEqual(entries.map(({ key }) => key))
    expect((await client.get('m/999'))?.value).toBe(5_999)
    expect((await client.get('m/1000'))?.value).toBe(1_000)
    expect(await client.putMany([])).toEqual([])
  })

  test('a batch above the server’s limit of a body is taken apart', async () => {
    const client = connect(app.url)
    // Three bytes per character in UTF-8: within the client's measure of a batch, above this server's.
    const entries = [1, 2, 3, 4].map((i) => ({ key: `wide/${i}`, value: '€'.repeat(21_000) + i }))
    expect(await client.putMany([...entries, { key: 'wide/1', value: 'last' }])).toHaveLength(5)
    expect((await client.get('wide/1'))?.value).toBe('last')
    expect((await client.get('wide/4'))?.value).toBe(entries[3]!.value)
  })

  test('refused entries leave the others alone and are listed', async () => {
    const client = connect(app.url)
    await client.put('part/b', 1)
    const error = await errorOf(
      client.putMany([
        { key: 'part/a', value: 1 },
        { key: 'part/b', value: 2, ifAbsent: true },
        { key: 'part/c', value: Number.NaN },
        { key: '\u0000', value: 3 },
        { key: 'part/d', value: 4 },
      ]),
    )
    expect(error).toMatchObject({ code: 'REVISION_CONFLICT', status: 412 })
    expect(error.message).toMatch(/^3 of 5 writes failed; the first: /)
    const { failures } = error.details as {
      failures: { index: number; key: string; code: string; error: string }[]
    }
    expect(failures.map(({ index, key, code }) => [index, key, code])).toEqual([
      [1, 'part/b', 'REVISION_CONFLICT'],
      [2, 'part/c', 'INVALID_VALUE'],
      [3, '\u0000', 'INVALID_KEY'],
    ])
    expect(failures[1]!.error).toContain('NaN')
    expect((await client.getMany(['part/a', 'part/c', 'part/d'])).size).toBe(2)
  })
})

test('delete: the value is gone; without one there is nothing to change', async () => {
  const client = connect(app.url)
  const { revision } = await client.put('d', 1)
  expect(await errorOf(client.delete('d', { ifRevision: revision + 5 }))).toMatchObject({
    code: 'REVISION_CONFLICT',
  })
  expect(await client.delete('d', { ifRevision: revision })).toMatchObject({
    op: 'delete',
    status: 'applied',
  })
  expect(await client.delete('d')).toMatchObject({ status: 'unchanged' })
  expect(await client.get('d')).toBeUndefined()
})

test('increment: atomic, in the order of issue, with the new value', async () => {
  const client = connect(app.url)
  const results = await Promise.all([
    client.increment('i'),
    client.increment('i', 2.5),
    client.increment('i', -1),
  ])
  expect(results.map(({ value }) => value)).toEqual([1, 3.5, 2.5])
  const others = [connect(app.url), connect(app.url)]
  await Promise.all(others.flatMap((other) => Array.from({ length: 50 }, () => other.increment('i'))))
  expect((await client.get('i'))?.value).toBe(102.5)
  await client.put('text', 'no number')
  expect(await errorOf(client.increment('text'))).toMatchObject({ code: 'NOT_A_NUMBER', status: 409 })
  expect((await errorOf(client.increment('i', Number.NaN))).message).toContain('by is NaN')
})

test('touch: the value stays, the expiry is new', async () => {
  const client = connect(app.url)
  await client.put('t', 'kept')
  const { revision } = await client.touch('t', { ttlMs: 100_000 })
  expect(await client.get('t')).toMatchObject({ value: 'kept', revision, expiresAt: expect.any(String) })
  await client.touch('t')
  expect(await client.get('t')).not.toHaveProperty('expiresAt')
  expect(await errorOf(client.touch('no such'))).toMatchObject({ code: 'KEY_NOT_FOUND', status: 404 })
})

test('writes of a key are applied in the order in which they were issued', async () => {
  const client = connect(app.url)
  const writes: Promise<{ revision: number }>[] = []
  for (let i = 0; i < 200; i++) {
    writes.push(client.put('o', i))
    if (i % 20 === 0) await Promise.resolve()
    if (i % 50 === 0) await writes.at(-1)
  }
  const revisions = (await Promise.all(writes)).map(({ revision }) => revision)
  expect(revisions).toEqual(revisions.toSorted((a, b) => a - b))
  expect((await client.get('o'))?.value).toBe(199)
})

test('after close a write is refused, and what was not sent says that it was not applied', async () => {
  const client = connect(app.url)
  const early = errorOf(client.put('early', 1))
  client.close()
  expect(await early).toMatchObject({ code: 'CLIENT_CLOSED', status: 0, details: { key: 'early' } })
  expect((await early).message).toContain('was not applied')
  expect(await errorOf(client.put('late', 1))).toMatchObject({
    code: 'CLIENT_CLOSED',
  } satisfies Partial<LiveKVError>)
  expect(await textOf('early')).toContain('KEY_NOT_FOUND')
})
