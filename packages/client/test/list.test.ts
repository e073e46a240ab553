import { expect, test } from 'vitest'
import { TcpProxy } from '../../server/test/services/tcp-proxy.ts'
import { startTestApp } from '../../server/test/support/test-app.ts'
import { createClient } from '../src/client.ts'
import type { LiveKVError } from '../src/error.ts'

test('a list goes on where it was when the server is away for a while; the first page fails at once', async () => {
  const server = await startTestApp()
  const keys = Array.from({ length: 30 }, (_, index) => `key.${String(index).padStart(2, '0')}`)
  await server.call('POST', '/api/v1/batch', { writes: keys.map((key) => ({ key, value: 1 })) })
  const proxy = await TcpProxy.start({ port: server.port })
  const client = createClient(proxy.through(server.url))
  const seen: string[] = []
  for await (const { key } of client.list({ pageSize: 10 })) {
    seen.push(key)
    if (seen.length !== 10) continue
    await proxy.refuse()
    setTimeout(() => void proxy.listen(), 500)
  }
  expect(seen).toEqual(keys)

  await proxy.refuse()
  // What was connected to the proxy is reset first.
  const refused = async () => {
    for await (const _ of client.list()) return undefined
  }
  const reason = () =>
    refused().catch(({ code, message, cause }: LiveKVError) => {
      const [, text] = /could not be reached: (.*)/.exec(message)!
      return `${code} ${((cause as Error).cause as { code: string }).code}: ${text}`
    })
  await expect
    .poll(reason, { timeout: 30_000 })
    .toMatch(/^UNREACHABLE ECONNREFUSED: connect ECONNREFUSED 127/)
  client.close()
  await proxy.close()
  await server.close()
})
