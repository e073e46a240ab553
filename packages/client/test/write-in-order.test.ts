import type { Change } from '@livekv/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TcpProxy } from '../../server/test/services/tcp-proxy.ts'
import { startTestApp, type TestApp } from '../../server/test/support/test-app.ts'
import { type Client, createClient } from '../src/client.ts'
import { LiveKVError } from '../src/error.ts'
import type { Write } from '../src/write-options.ts'

let server: TestApp
let proxy: TcpProxy
let client: Client
beforeAll(async () => {
  server = await startTestApp({ MAX_BATCH_ITEMS: '300' })
  proxy = await TcpProxy.start({ port: server.port })
  client = createClient(proxy.through(server.url))
})
afterAll(async () => {
  client.close()
  await proxy.close()
  await server.close()
})

async function log(since: number): Promise<Change[]> {
  return (await server.call('GET', `/api/v1/changes?since=${since}&limit=5000`)).json.changes
}

async function head(): Promise<number> {
  return (await server.call('GET', '/api/v1/changes?limit=1')).json.head
}

test('any kind, each with its result or its error, in its place', async () => {
  const results = await client.write([
    { op: 'put', key: 'a', value: 1, time: 0 },
    { op: 'increment', key: 'a', by: 2 },
    { op: 'put', key: 'b', value: 1, ifRevision: 7 },
    { op: 'delete', key: 'a' },
    { op: 'delete', key: 'a' },
    { op: 'touch', key: 'a' },
  ])
  expect(results).toMatchObject([
    { status: 'applied', time: '1970-01-01T00:00:00.000Z' },
    { status: 'applied', value: 3 },
    { code: 'REVISION_CONFLICT', details: { key: 'b' } },
    { status: 'applied' },
    { status: 'unchanged' },
    { code: 'KEY_NOT_FOUND' },
  ])
  expect(results.map((result) => result instanceof LiveKVError)).toEqual([
    false,
    false,
    true,
    false,
    false,
    true,
  ])
})

test('one that cannot be sent at all: nothing is written', async () => {
  const before = await head()
  const writes: Write[] = [
    { op: 'put', key: 'a', value: 1 },
    { op: 'put', key: '', value: 1 },
  ]
  await expect(client.write(writes)).rejects.toMatchObject({ code: 'INVALID_KEY' })
  expect(await client.write([])).toEqual([])
  expect(await head()).toBe(before)
})

test('the log has the order of issue across keys, over cut connections and a server with small batches', async () => {
  const before = await head()
  const writes = Array.from(
    { length: 4_000 },
    (_, index): Write => ({ op: 'put', key: `key.${(index * 7) % 5}`, value: index }),
  )
  const done = [client.write(writes.slice(0, 2_500)), client.write(writes.slice(2_500))]
  for (const part of [500, 1_000, 2_000]) {
    await expect.poll(head, { interval: 5, timeout: 30_000 }).toBeGreaterThan(before + part)
    proxy.cut()
  }
  const results = (await Promise.all(done)).flat()
  expect(results.every((result) => 'status' in result && result.status === 'applied')).toBe(true)
  const values = (await log(before)).map((change) => change.op === 'put' && change.value)
  expect(values).toEqual(writes.map((_, index) => index))
})

test('writes by themselves before and after keep their place among them, per key', async () => {
  const before = await head()
  const keys = ['x', 'y', 'z']
  const put = (value: number) => keys.map((key) => client.put(key, value))
  const inOrder = (value: number) => client.write(keys.map((key) => ({ op: 'put', key, value })))
  await Promise.all([...put(1), inOrder(2), ...put(3), ...put(4), inOrder(5), inOrder(6), ...put(7)])
  const changes = await log(before)
  for (const key of keys)
    expect(
      changes.filter((change) => change.key === key).map((change) => change.op === 'put' && change.value),
    ).toEqual([1, 2, 3, 4, 5, 6, 7])
})
