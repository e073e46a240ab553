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

async function ask(
  method: string,
  path: string,
  headers: Record<string, string> = {},
  localAddress = '127.0.0.1',
) {
  const body = method === 'POST' ? '{}' : ''
  const asked = request(`${server.url}${path}`, { method, agent: false, headers, localAddress }).end(body)
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += chunk
  const isJson = response.headers['content-type'] !== 'text/html; charset=utf-8'
  return { status: response.statusCode, headers: response.headers, body: isJson ? JSON.parse(text) : text }
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

test('the instances are told the name that a browser used, by which they refuse those of others', async () => {
  answer = ({ headers }, response) => response.end(JSON.stringify(headers.host))
  for (const [method, path] of [
    ['GET', '/keys'],
    ['POST', '/add'],
    ['POST', '/api/v1/entries/get'],
    ['PUT', '/api/v1/entries/a'],
    ['GET', '/socket.io/?EIO=4&transport=polling'],
  ] as const) {
    expect((await ask(method, path, { host: 'evil.example:81' })).body, path).toBe('evil.example:81')
  }
})

test.each(['/metrics', '/metrics/', '/METRICS', '/metrics?all', '/%6detrics', '//metrics'])(
  'the metrics of an instance are not passed on: %s',
  async (path) => {
    const { status, body } = await ask('GET', path)
    expect([status, body.code]).toEqual([404, 'ROUTE_NOT_FOUND'])
  },
)

test.each([
  ['GET', '/keys', 'STORE_FAILED'],
  ['POST', '/api/v1/entries/get', 'STORE_FAILED'],
  ['POST', '/add', 'COMMIT_UNKNOWN'],
  ['POST', '/api/v1/entries/get/more', 'COMMIT_UNKNOWN'],
  ['PUT', '/api/v1/entries/a', 'COMMIT_UNKNOWN'],
])('%s %s that no instance answers is %s, which every page may read', async (method, path, code) => {
  answer = ({ socket }) => socket.destroy()
  const { status, headers, body } = await ask(method, path, { origin: 'https://prices.example' })
  expect([status, body.code]).toEqual([503, code])
  expect(headers).toMatchObject({
    'retry-after': '1',
    'access-control-allow-origin': '*',
    'access-control-expose-headers': 'Retry-After',
  })
})

test('a browser that opens an address which no instance answers gets a page that tries again', async () => {
  answer = ({ socket }) => socket.destroy()
  const accept = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'
  const { status, headers, body } = await ask('GET', '/admin', { accept })
  expect([status, headers['content-type'], headers['retry-after']]).toEqual([
    503,
    'text/html; charset=utf-8',
    '1',
  ])
  expect(body).toContain('<meta http-equiv="refresh" content="3">')
  expect(body).toContain('LiveKV hiện chưa trả lời')
  for (const other of ['*/*', 'application/json']) {
    const { body } = await ask('GET', '/admin', { accept: other })
    expect(body.code).toBe('STORE_FAILED')
  }
  expect((await ask('POST', '/add', { accept })).body.code).toBe('COMMIT_UNKNOWN')
})

test.each(['text/event-stream', 'text/event-stream, */*;q=0.1', 'Text/Event-Stream;charset=utf-8'])(
  'a stream is passed on as it comes: %s',
  async (accept) => {
    await bothAnswer()
    const told = Promise.withResolvers<void>()
    answer = async (_, response) => {
      response.setHeader('content-type', 'text/event-stream')
      // Chunks, and what comes with the headers, would not be held back in any case.
      response.useChunkedEncodingByDefault = false
      response.write('data: 1\n\n')
      await told.promise
      response.write('data: 2\n\n')
    }
    const asked = request(`${server.url}/stream`, { agent: false, headers: { accept } }).end()
    const [response] = (await once(asked, 'response')) as [IncomingMessage]
    let text = ''
    response.setEncoding('utf8').on('data', (chunk) => {
      text += chunk
    })
    await expect.poll(() => text).toBe('data: 1\n\n')
    told.resolve()
    await expect.poll(() => text).toBe('data: 1\n\ndata: 2\n\n')
    asked.destroy()
  },
)

test.each([
  ['GET', '/keys', 'sent to another one'],
  ['POST', '/api/v1/entries/get', 'sent to another one'],
  ['POST', '/api/v1/entries/get/?', 'sent to another one'],
  ['POST', '/add', 'not sent again'],
  ['POST', '/add?/api/v1/entries/get', 'not sent again'],
  ['PUT', '/api/v1/entries/a', 'not sent again'],
])('%s %s whose answer an instance loses is %s', async (method, path, expected) => {
  await bothAnswer()
  let count = 0
  answer = (asked, response) => {
    count += 1
    if (count === 1) asked.socket.destroy()
    else response.end('{}')
  }
  const { status } = await ask(method, path)
  expect([status, count]).toEqual(expected === 'not sent again' ? [503, 1] : [200, 2])
})

/** One that failed is left out for a second. */
async function bothAnswer(): Promise<void> {
  answer = ({ socket }, response) => response.end(String(socket.localPort))
  const networks = Array.from({ length: 20 }, (_, index) => `127.0.${index + 1}.1`)
  const ports = () => Promise.all(networks.map(async (from) => (await ask('GET', '/', {}, from)).body))
  await expect.poll(async () => new Set(await ports()).size).toBe(2)
}
