import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TcpProxy } from '../../server/test/services/tcp-proxy.ts'
import { startTestApp, type TestApp } from '../../server/test/support/test-app.ts'
import { type Client, createClient } from '../src/client.ts'

const CLIENT = fileURLToPath(new URL('../src/client.ts', import.meta.url))

let server: TestApp
beforeAll(async () => {
  server = await startTestApp()
  await server.call('PUT', '/api/v1/entries/gold', { value: 1 })
})
afterAll(() => server.close())

test('a program that only reads connects to nothing, and ends without close()', async () => {
  const program = `
    import { createClient } from ${JSON.stringify(CLIENT)}
    const client = createClient(${JSON.stringify(server.url)})
    const entries = []
    for await (const { key } of client.list()) entries.push(key)
    console.log((await client.get('gold')).value, entries, (await client.history('gold')).items.length)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { timeout: 60_000 })
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  expect({ output, code }).toEqual({ output: "1 [ 'gold' ] 1\n", code: 0 })
})

const needs: [string, (client: Client) => unknown][] = [
  ['a write', (client) => client.put('gold', 2)],
  ['a watch', (client) => client.watch({ key: 'gold' }, () => {})],
  ['a value with a subscriber', (client) => client.value('gold').subscribe(() => {})],
  ['onState', (client) => client.onState(() => {})],
  ['state', (client) => client.state],
  ['now', (client) => client.now()],
]
test.each(needs)('%s connects it', async (_name, need) => {
  const proxy = await TcpProxy.start({ port: server.port })
  const client = createClient(proxy.through(server.url))
  const needed = need(client)
  await expect.poll(() => proxy.connections, { timeout: 30_000 }).toBe(1)
  await expect.poll(() => client.state.name, { timeout: 30_000 }).toBe('live')
  await needed
  client.close()
  await proxy.close()
})
