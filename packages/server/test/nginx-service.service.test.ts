import { once } from 'node:events'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type NginxServer, startNginx } from './services/nginx.ts'

const upstreams: Server[] = []
let ports: number[]
let server: NginxServer

beforeAll(async () => {
  for (const name of ['one', 'two', 'three']) {
    const upstream = createServer((_, answer) => answer.end(name)).listen(0, '127.0.0.1')
    await once(upstream, 'listening')
    upstreams.push(upstream)
  }
  ports = upstreams.map((upstream) => (upstream.address() as AddressInfo).port)
  server = await startNginx({ upstreams: ports })
})

afterAll(async () => {
  await server?.stop()
  for (const upstream of upstreams) upstream.close()
})

/** Who answers a client of this address. */
async function ask(localAddress: string): Promise<string> {
  const asked = request(server.url, { localAddress, agent: false }).end()
  const [answer] = await once(asked, 'response')
  let text = ''
  for await (const chunk of answer.setEncoding('utf8')) text += chunk
  return text
}

/** Who answers twenty networks. */
async function everyAnswer(): Promise<string[]> {
  const networks = Array.from({ length: 20 }, (_, index) => `127.0.${index + 1}.1`)
  return [...new Set(await Promise.all(networks.map(ask)))].sort()
}

test('leads clients to all instances, and each client always to the same one', async () => {
  expect(await everyAnswer()).toEqual(['one', 'three', 'two'])
  const first = await ask('127.0.7.1')
  for (let count = 0; count < 10; count += 1) expect(await ask('127.0.7.1')).toBe(first)
})

test('knows other instances after a reload', async () => {
  await server.reload({ upstreams: ports.slice(1) })
  await expect.poll(everyAnswer).toEqual(['three', 'two'])
  await server.reload({ upstreams: ports })
  await expect.poll(everyAnswer).toEqual(['one', 'three', 'two'])
})

test('answers again after SIGKILL and start, on the same port', async () => {
  await server.kill()
  await expect(ask('127.0.1.1')).rejects.toThrow('ECONNREFUSED')
  await server.start()
  expect(await everyAnswer()).toEqual(['one', 'three', 'two'])
})
