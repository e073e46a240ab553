import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { LiveClient } from './support/live-client.ts'
import { startTestApp, type TestApp } from './support/test-app.ts'

let app: TestApp
const clients: LiveClient[] = []
beforeAll(async () => {
  app = await startTestApp()
})
afterEach(() => {
  for (const client of clients.splice(0)) client.close()
})
afterAll(() => app.close())

async function connect(options: Parameters<typeof LiveClient.connect>[1] = {}): Promise<LiveClient> {
  const client = await LiveClient.connect(app.url, options)
  clients.push(client)
  return client
}

const put = async (key: string, value: unknown) => {
  const { status, json } = await app.call('PUT', `/api/v1/entries?key=${encodeURIComponent(key)}`, { value })
  expect(status).toBe(200)
  return json.revision as number
}
const remove = (key: string) => app.call('DELETE', `/api/v1/entries?key=${encodeURIComponent(key)}`)

test('a watch of keys, of a prefix and of everything: the snapshot, then each change', async () => {
  await put('s/gold', 1)
  await put('s/golden', 2)
  await put('t/x', 3)
  const client = await connect()
  const keys = await client.watch({ watch: 'k', keys: ['s/gold', 's/none'] })
  const prefix = await client.watch({ watch: 'p', prefix: 's/gold' })
  const all = await client.watch({ watch: 'a', prefix: '' })
  await expect.poll(() => [keys, prefix, all].map(({ snapshots }) => snapshots)).toEqual([1, 1, 1])
  expect(keys.values).toEqual({ 's/gold': 1 })
  expect(prefix.values).toEqual({ 's/gold': 1, 's/golden': 2 })
  expect(all.values).toMatchObject({ 's/gold': 1, 's/golden': 2, 't/x': 3 })
  await put('s/none', null)
  await put('s/gold', { a: [1.5, 'x'] })
  await remove('s/golden')
  const last = await put('t/x', 4)
  await expect.poll(() => all.shown.get('t/x')?.revision).toBe(last)
  expect(keys.values).toEqual({ 's/gold': { a: [1.5, 'x'] }, 's/none': null })
  expect(prefix.values).toEqual({ 's/gold': { a: [1.5, 'x'] } })
  expect(all.values).toMatchObject({ 's/gold': { a: [1.5, 'x'] }, 's/none': null, 't/x': 4 })
  for (const { problems } of [keys, prefix, all]) expect(problems).toEqual([])
})
