import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestApp, type TestApp } from './support/test-app.ts'

describe('the server around the routes', () => {
  let app: TestApp
  beforeAll(async () => {
    app = await startTestApp({ ALLOWED_ORIGINS: 'https://prices.example', MAX_BODY_BYTES: '100000' })
  })
  afterAll(() => app.close())

  const post = (headers: string, body = '{"key":"a","value":1}') =>
    app.raw(
      `POST /add HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${headers}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    )
  const bodyOf = (answer: string) => JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4))

  test.each([
    ['no type', ''],
    ['a form', 'Content-Type: application/x-www-form-urlencoded\r\n'],
    ['text', 'Content-Type: text/plain\r\n'],
    ['a look-alike', 'Content-Type: application/jsonp\r\n'],
    ['another charset', 'Content-Type: application/json; charset=latin1\r\n'],
  ])('writes need application/json in UTF-8: %s', async (_name, header) => {
    const answer = await post(header)
    expect(answer).toMatch(/^HTTP\/1.1 415 /)
    expect(bodyOf(answer).code).toBe('UNSUPPORTED_MEDIA_TYPE')
  })

  test.each(['application/json', 'application/json; charset=utf-8', 'Application/JSON;charset="UTF-8"'])(
    'taken: %s',
    async (type) => {
      expect(await post(`Content-Type: ${type}\r\n`)).toMatch(/^HTTP\/1.1 200 /)
    },
  )

  test('a body above the limit is refused, announced or not, and the connection stays usable', async () => {
    const large = JSON.stringify({ key: 'large', value: 'x'.repeat(100_000) })
    const refused = await app.call('POST', '/add', large)
    expect([refused.status, refused.json.code]).toEqual([413, 'BODY_TOO_LARGE'])
    const chunked = await app.raw(
      `POST /add HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${large.length.toString(16)}\r\n${large}\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
    )
    expect(chunked).toMatch(/^HTTP\/1.1 413 /)
    expect(chunked).toContain('{"status":"ok"}')
  })

  test.each(['', '   ', '{', '{"key":"a","value":1}}', 'key=a&value=1', '\ufeff{"key":"a","value":1}'])(
    'broken JSON %j',
    async (body) => {
      const answer = await post('Content-Type: application/json\r\n', body)
      expect(answer).toMatch(/^HTTP\/1.1 400 /)
      expect(bodyOf(answer).code).toBe('INVALID_JSON')
    },
  )

  test.each(['h2c', 'websocket', 'TLS/1.0'])('an offer to speak %s is not taken up', async (other) => {
    const offer = `Host: localhost\r\nConnection: close, Upgrade\r\nUpgrade: ${other}\r\n`
    const read = await app.raw(`GET /healthz HTTP/1.1\r\n${offer}\r\n`)
    expect(read).toMatch(/^HTTP\/1.1 200 /)
    expect(bodyOf(read)).toEqual({ status: 'ok' })
    const body = '{"key":"offer","value":1}'
    const written = await app.raw(
      `POST /add HTTP/1.1\r\n${offer}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    )
    expect(written).toMatch(/^HTTP\/1.1 200 /)
    expect(bodyOf(written)).toMatchObject({ success: true })
  })

  test('unknown addresses and methods', async () => {
    const route = await app.call('GET', '/api/v1/nothing')
    expect([route.status, route.json.code]).toEqual([404, 'ROUTE_NOT_FOUND'])
    for (const [method, path, allow] of [
      ['GET', '/add', 'POST'],
      ['DELETE', '/get/a', 'GET, HEAD'],
      ['POST', '/keys', 'GET, HEAD'],
      ['POST', '/api/v1/entries/a', 'GET, HEAD, PUT, PATCH, DELETE'],
      ['PROPFIND', '/api/v1/batch', 'POST'],
    ] as const) {
      const answer = await app.call(method, path)
      expect([path, answer.status, answer.json.code]).toEqual([path, 405, 'METHOD_NOT_ALLOWED'])
      expect(answer.headers.get('allow')).toBe(allow)
    }
  })

  test('what is not HTTP gets an answer too', async () => {
    const unknown = await app.raw('FOO /add HTTP/1.1\r\nHost: localhost\r\n\r\n')
    expect(unknown).toMatch(/^HTTP\/1.1 400 /)
    expect(bodyOf(unknown).code).toBe('INVALID_REQUEST')
    const headers = await app.raw(`GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`)
    expect(headers).toMatch(/^HTTP\/1.1 431 /)
  })

  test('`..` as it is in the address reaches the key', async () => {
    await app.call('PUT', '/api/v1/entries?key=..', { value: 'dots' })
    const read = await app.raw('GET /get/.. HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    expect(bodyOf(read).value).toBe('dots')
  })

  test('a client that hangs up half-way leaves nothing behind', async () => {
    await new Promise<void>((resolve) => {
      const socket = connect(app.port, '127.0.0.1', () => {
        socket.write(
          'POST /add HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"key":"half","value":1',
          () => socket.destroy(),
        )
      })
      socket.on('close', () => resolve())
    })
    expect((await app.call('GET', '/get/half')).status).toBe(404)
    expect((await app.call('GET', '/readyz')).json).toEqual({ status: 'ready' })
  })

  const origins: [string, number][] = [
    ['https://prices.example', 200],
    ['http://localhost:3000', 200],
    ['http://127.0.0.1:5173', 200],
    ['http://[::1]', 200],
    ['https://evil.example', 403],
    ['https://prices.example.evil.example', 403],
    ['http://localhost.evil.example', 403],
    ['http://prices.example', 403],
    ['null', 403],
    ['nonsense', 403],
  ]
  test.each(origins)('a page of %s: %i', async (origin, status) => {
    for (const answer of [
      await app.call('GET', '/keys', undefined, { origin }),
      await app.call('POST', '/add', { key: 'o', value: 1 }, { origin }),
    ]) {
      expect(answer.status).toBe(status)
      expect(answer.headers.get('access-control-allow-origin')).toBe(status === 200 ? origin : null)
      if (status === 403) {
        expect(answer.json.code).toBe('ORIGIN_NOT_ALLOWED')
        expect(answer.json.error).toContain('ALLOWED_ORIGINS')
      } else {
        expect(answer.headers.get('access-control-expose-headers')).toContain('ETag')
      }
    }
    const preflight = await app.call('OPTIONS', '/api/v1/entries/a', undefined, {
      origin,
      'access-control-request-method': 'PUT',
      'access-control-request-headers': 'content-type,if-match',
    })
    expect(preflight.status).toBe(status === 200 ? 204 : 403)
    if (status === 200) {
      expect(preflight.headers.get('access-control-allow-methods')).toContain('PUT')
      expect(preflight.headers.get('access-control-allow-headers')?.toLowerCase()).toContain('if-match')
    }
    const socket = await app.call('GET', '/socket.io/?EIO=4&transport=polling', undefined, { origin })
    expect(socket.status === 200).toBe(status === 200)
  })

  test.each([
    ['localhost', 200],
    ['localhost:8080', 200],
    ['127.0.0.1', 200],
    ['[::1]:8080', 200],
    ['prices.example', 200],
    ['evil.example', 403],
    ['127.0.0.1.evil.example', 403],
    ['169.254.169.254', 403],
  ])('Host %s: %i', async (host, status) => {
    for (const path of ['/keys', '/socket.io/?EIO=4&transport=polling']) {
      const answer = await app.raw(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
      expect(answer.startsWith('HTTP/1.1 200 ')).toBe(status === 200)
    }
  })

  test('status says what it runs on', async () => {
    const { revision } = (await app.call('POST', '/add', { key: 's', value: 1 })).json
    const { status, json } = await app.call('GET', '/api/v1/status')
    expect(status).toBe(200)
    expect(json).toMatchObject({
      healthy: true,
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      storeId: expect.stringMatching(/^[0-9a-f-]{36}\.\d+$/),
      store: expect.stringContaining('PostgreSQL'),
      revision,
      contiguous: revision,
      limits: { maxBodyBytes: 100_000, maxValueBytes: 65_536 },
    })
    expect((await app.call('GET', '/healthz')).json).toEqual({ status: 'ok' })
  })

  test('pages stand behind a policy, API answers are not sniffed', async () => {
    const admin = await app.call('GET', '/admin')
    expect(admin.headers.get('content-type')).toContain('text/html')
    expect(admin.headers.get('content-security-policy')).toContain("default-src 'self'")
    expect(admin.headers.get('content-security-policy')).not.toContain('upgrade-insecure-requests')
    expect((await app.call('GET', '/viewer/gold')).text).toContain('<!doctype html>')
    expect((await app.call('GET', '/')).headers.get('location')).toBe('/admin')
    const keys = await app.call('GET', '/keys')
    expect(keys.headers.get('x-content-type-options')).toBe('nosniff')
    expect(keys.headers.get('x-powered-by')).toBeNull()
    expect((await app.call('GET', '/assets/%2e%2e/%2e%2e/package.json')).status).toBe(404)
  })
})

describe('stopping', () => {
  test('a request under way is answered, and the port is free afterwards', async () => {
    const app = await startTestApp()
    const body = '{"key":"late","value":1}'
    const socket = connect(app.port, '127.0.0.1')
    let answer = ''
    socket.setEncoding('utf8').on('data', (text: string) => {
      answer += text
    })
    const ended = new Promise<void>((resolve) => socket.on('close', () => resolve()))
    socket.write(
      `POST /add HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`,
    )
    // Answered on another connection: by then the server has seen the first bytes of the one above.
    await app.call('GET', '/healthz')
    const closed = app.close()
    socket.write(body)
    await Promise.all([ended, closed])
    expect(answer).toMatch(/^HTTP\/1.1 200 /)
    await expect(fetch(`${app.url}/healthz`)).rejects.toThrow()
  })
  test('a client that offers another protocol, and then does nothing, does not keep it', async () => {
    const app = await startTestApp()
    const socket = connect({ port: app.port, host: '127.0.0.1', allowHalfOpen: true })
    const answered = once(socket, 'readable')
    socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n')
    await answered
    try {
      await app.close()
    } finally {
      socket.destroy()
    }
    await expect(fetch(`${app.url}/healthz`)).rejects.toThrow()
  })
})
