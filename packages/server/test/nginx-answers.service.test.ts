import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type NginxServer, startNginx } from './services/nginx.ts'

/** Stand where the instances are, and do as each test says. */
const upstreams: Server[] = []
let server: NginxServer
let answer: (asked: IncomingMessage, response: ServerResponse) => void

const tellHeaders = ({ headers }: IncomingMessage, response: ServerResponse) => {
  response.end(JSON.stringify({ upgrade: headers.upgrade, connection: headers.connection }))
}

beforeAll(async () => {
  for (let count = 0; count < 2; count += 1) {
    const upstream = createServer((asked, response) => answer(asked, response)).listen(0, '127.0.0.1')
    await once(upstream, 'listening')
    upstreams.push(upstream)
  }
  answer = tellHeaders
  server = await startNginx({ upstreams: upstreams.map((each) => (each.address() as AddressInfo).port) })
})

afterEach(() => {
  answer = tellHeaders
})

afterAll(async () => {
  await server?.stop()
  for (const upstream of upstreams) upstream.close()
})

async function ask(method: string, path: string, headers: Record<string, string> = {}) {
  const body = method === 'POST' ? '{}' : ''
  const asked = request(`${server.url}${path}`, { method, agent: false, headers }).end(body)
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += chunk
  return { status: response.statusCode, headers: response.headers, body: JSON.parse(text) }
}

test('an offer to speak another protocol reaches the instances from Socket.IO alone', async () => {
  const offer = (protocol: string) => ({ connection: 'Upgrade', upgrade: protocol })
  for (const [method, path, protocol] of [
    ['GET', '/keys', 'h2c'],
    ['POST', '/add', 'h2c'],
    ['GET', '/keys', 'websocket'],
    ['GET', '/keys?/socket.io/', 'websocket'],
    ['GET', '/%73ocket.io/', 'websocket'],
    ['GET', '/socket.io/?EIO=4&transport=polling', 'h2c'],
  ] as const) {
    const { status, body } = await ask(method, path, offer(protocol))
    expect([path, protocol, status, body]).toEqual([path, protocol, 200, {}])
  }
  const { body } = await ask('GET', '/socket.io/?EIO=4&transport=websocket', offer('WebSocket'))
  expect(body).toEqual({ upgrade: 'websocket', connection: 'upgrade' })
})
