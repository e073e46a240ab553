import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../../server/test/support/test-app.ts'
import { clientsOfTests } from './support/clients.ts'

/** A limit that every test meets, in windows that end soon. */
const WRITES = 20
const READS = 4

let app: TestApp
beforeAll(async () => {
  app = await startTestApp({
    RATE_LIMIT_WRITES: String(WRITES),
    RATE_LIMIT_READS: String(READS),
    RATE_LIMIT_WINDOW: '1s',
  })
})
afterAll(() => app.close())

const connect = clientsOfTests()
const head = async () => (await app.call('GET', '/api/v1/status')).json.revision as number

test('more writes than the limit are all applied, once each and in their order', async () => {
  const client = connect(app.url)
  const before = await head()
  const results = await Promise.all(
    Array.from({ length: 3 * WRITES }, (_, n) => client.increment(`k${n % 7}`)),
  )
  expect(results.map(({ revision }) => revision).sort((a, b) => a - b)).toEqual(
    Array.from({ length: 3 * WRITES }, (_, n) => before + n + 1),
  )
  for (let key = 0; key < 7; key++) {
    const values = results.filter((_, n) => n % 7 === key).map(({ value }) => value)
    expect(values).toEqual(values.map((_, n) => n + 1))
  }
})

test('more watches than the limit all begin', async () => {
  const client = connect(app.url)
  const keys = Array.from({ length: 3 * READS }, (_, n) => `w${n}`)
  const shown = new Set<string>()
  for (const key of keys) {
    client.watch({ key }, (event) => {
      if (event.type === 'put') shown.add(event.key)
    })
  }
  await client.write(keys.map((key) => ({ op: 'put', key, value: 1 })))
  await expect.poll(() => [...shown].sort()).toEqual([...keys].sort())
  await expect.poll(() => client.state.name).toBe('live')
})

test('a list of more pages than the limit goes on to its end', async () => {
  const client = connect(app.url)
  const keys = Array.from({ length: 3 * READS }, (_, n) => `l${String(n).padStart(2, '0')}`)
  await client.write(keys.map((key) => ({ op: 'put', key, value: 1 })))
  const listed = async () => {
    const found: string[] = []
    for await (const { key } of client.list({ prefix: 'l', pageSize: 1 })) found.push(key)
    return found
  }
  // Its first page is a read like any other, which fails at once.
  await expect.poll(() => listed().catch(({ code }) => code)).toEqual(keys)
})

test('a batch as large as the limit comes through while others of the address write', async () => {
  const limit = 60
  const busy = await startTestApp({ RATE_LIMIT_WRITES: String(limit), RATE_LIMIT_WINDOW: '1s' })
  let isOver = false
  /** Leaves room in each window, and no window empty. */
  const others = async () => {
    while (!isOver) {
      await busy.call('POST', '/add', { key: 'other', value: 1 })
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  const writing = others()
  try {
    await expect.poll(async () => (await busy.call('GET', '/get/other')).status).toBe(200)
    const writes = Array.from({ length: limit }, (_, n) => ({ op: 'put' as const, key: `b${n}`, value: n }))
    const results = await connect(busy.url).write(writes)
    expect(results.map(({ status }) => status)).toEqual(writes.map(() => 'applied'))
  } finally {
    isOver = true
    await writing
    await busy.close()
  }
})
