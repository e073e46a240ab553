import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../../server/test/support/test-app.ts'
import { exactNumbers, LiveKVError } from '../src/index.ts'
import { clientsOfTests } from './support/clients.ts'
import { errorOf } from './support/error-of.ts'

let app: TestApp
const connect = clientsOfTests()
beforeAll(async () => {
  app = await startTestApp()
})
afterAll(() => app.close())

describe('get', () => {
  test('gives the entry, and undefined where there is no value', async () => {
    const client = connect(app.url)
    const { revision } = await client.put('a/b ü', { price: [1.5, null] })
    expect(await client.get('a/b ü')).toEqual({
      key: 'a/b ü',
      value: { price: [1.5, null] },
      revision,
      updatedAt: expect.stringMatching(/Z$/),
      time: expect.stringMatching(/Z$/),
    })
    expect(await client.get('never written')).toBeUndefined()
    await client.put('null', null)
    expect((await client.get('null'))?.value).toBeNull()
  })

  test('atLeast waits for a revision, and says when it is not reached', async () => {
    const client = connect(app.url)
    const { revision } = await client.put('at', 1)
    expect((await client.get('at', { atLeast: revision }))?.value).toBe(1)
    const error = await errorOf(client.get('at', { atLeast: revision + 1_000_000 }))
    expect(error).toMatchObject({ code: 'REVISION_NOT_REACHED', status: 503, retryable: true })
  })

  test('what the server refuses is a LiveKVError with its code, status and details', async () => {
    const client = connect(app.url)
    const error = await errorOf(client.get('bad\u0000key'))
    expect(error).toBeInstanceOf(LiveKVError)
    expect(error).toMatchObject({ code: 'INVALID_KEY', status: 400, retryable: false, name: 'LiveKVError' })
    const history = await errorOf(client.history('a', { cursor: 'not one' }))
    expect(history).toMatchObject({ code: 'INVALID_CURSOR', status: 400, retryable: false })
  })

  test('a server that is not there, or is none, is said by its address', async () => {
    const away = connect('http://127.0.0.1:9')
    expect(await errorOf(away.get('a'))).toMatchObject({
      code: 'UNREACHABLE',
      status: 0,
      retryable: true,
      message: expect.stringContaining('http://127.0.0.1:9'),
    })
    const elsewhere = connect(`${app.url}/other/?query=1#hash`)
    expect(await errorOf(elsewhere.get('a'))).toMatchObject({ code: 'ROUTE_NOT_FOUND', status: 404 })
  })

  test('an address that cannot be one is refused when the client is made', () => {
    for (const url of ['localhost:8080', 'example', 'ftp://a']) expect(() => connect(url)).toThrow(`"${url}"`)
    expect(() => connect(undefined as never)).toThrow('http://localhost:8080')
  })
})

test('getMany: those that have a value, however many are asked for', async () => {
  const client = connect(app.url)
  const keys = Array.from({ length: 2_500 }, (_, i) => `many/${i}`)
  await client.putMany(keys.filter((_, i) => i % 2 === 0).map((key, i) => ({ key, value: i })))
  const found = await client.getMany([...keys, keys[0]!])
  expect(found.size).toBe(1_250)
  expect(found.get('many/2498')?.value).toBe(1_249)
  expect(found.has('many/1')).toBe(false)
  expect(await client.getMany([])).toEqual(new Map())
})

describe('list', () => {
  test('goes through all pages in the order of the keys, and stops asking when the loop ends', async () => {
    const client = connect(app.url)
    await client.putMany(
      Array.from({ length: 25 }, (_, i) => ({ key: `l/${String(i).padStart(2, '0')}`, value: i })),
    )
    const seen: unknown[] = []
    for await (const { key, value } of client.list<number>({ prefix: 'l/', pageSize: 10 }))
      seen.push(`${key} ${value}`)
    expect(seen).toHaveLength(25)
    expect(seen).toEqual(seen.toSorted())
    for await (const { key } of client.list({ prefix: 'l/', pageSize: 10 })) {
      expect(key).toBe('l/00')
      break
    }
  })

  test('a page size that cannot be is refused', async () => {
    const pages = connect(app.url).list({ pageSize: 0 })[Symbol.asyncIterator]()
    expect(await errorOf(pages.next())).toMatchObject({ code: 'INVALID_REQUEST' })
  })
})

test('history: by time and by revision, in pages', async () => {
  const client = connect(app.url)
  for (const [value, time] of [
    [1, '2024-01-01'],
    [2, '2024-01-03'],
    [3, '2024-01-02'],
  ] as const)
    await client.put('h', value, { time })
  await client.delete('h')
  const values = async (query: Parameters<typeof client.history>[1]) =>
    (await client.history('h', query)).items.map((change) => (change.op === 'put' ? change.value : null))
  expect(await values({ to: '2024-02' })).toEqual([1, 3, 2])
  expect(await values({ by: 'revision', order: 'desc', limit: 3 })).toEqual([null, 3, 2])
  const first = await client.history('h', { limit: 3 })
  const second = await client.history('h', { limit: 3, cursor: first.next! })
  expect([...first.items, ...second.items].map(({ op }) => op)).toEqual(['put', 'put', 'put', 'delete'])
  expect(second.next).toBeUndefined()
})

test('candles: open, high, low, close per interval', async () => {
  const client = connect(app.url)
  await client.putMany([5, 9, 2, 4].map((value, i) => ({ key: 'c', value, time: `2024-05-01T0${i}:00:00Z` })))
  expect((await client.candles('c', { interval: '1d' })).items).toEqual([
    { time: '2024-05-01T00:00:00.000Z', open: 5, high: 9, low: 2, close: 4, count: 4 },
  ])
})

test('changes: the log from a revision on, of all keys or a prefix', async () => {
  const client = connect(app.url)
  const { revision } = await client.put('ch/a', 1)
  await client.put('other', 2)
  await client.delete('ch/a')
  const page = await client.changes({ since: revision - 1, limit: 2 })
  expect(page.items.map(({ key }) => key)).toEqual(['ch/a', 'other'])
  expect(page).toMatchObject({ through: revision + 1, head: revision + 2, next: expect.any(String) })
  const rest = await client.changes({ since: page.through, prefix: 'ch/' })
  expect(rest).toMatchObject({ items: [{ op: 'delete', key: 'ch/a' }], through: revision + 2 })
  expect(rest.next).toBeUndefined()
  expect((await client.changes({ limit: 1 })).items[0]?.revision).toBe(1)
})

test('keys: the most recently changed first', async () => {
  const client = connect(app.url)
  await client.put('keys/old', 1)
  await client.put('keys/new', 1)
  const { keys, truncated } = await client.keys()
  expect(keys.slice(0, 2)).toEqual(['keys/new', 'keys/old'])
  expect(truncated).toBe(false)
})

test('exactNumbers: the digits that were written come back, and are written again', async () => {
  const client = connect(app.url, { json: exactNumbers })
  const text = '{"price":18.930,"id":12345678901234567890,"plain":7}'
  await app.call('PUT', '/api/v1/entries?key=exact', `{"value":${text}}`)
  const { value } = (await client.get<{ plain: number }>('exact'))!
  expect(JSON.stringify(value)).toBe(text)
  expect(value.plain).toBe(7)
  await client.put('exact copy', value)
  expect((await app.call('GET', '/api/v1/entries?key=exact%20copy')).text).toContain(`"value":${text}`)
  expect((await connect(app.url).get<{ price: number }>('exact'))?.value.price).toBe(18.93)
})

test('after close every read says that the client was closed', async () => {
  const client = connect(app.url)
  const pending = errorOf(client.get('at'))
  client.close()
  expect(await pending).toMatchObject({ code: 'CLIENT_CLOSED', status: 0, retryable: false })
  expect(await errorOf(client.keys())).toMatchObject({ code: 'CLIENT_CLOSED' })
})
