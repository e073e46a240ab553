import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { TcpProxy } from './services/tcp-proxy.ts'

/** Answers every byte with the same byte, and counts what it was sent. */
async function startEcho() {
  const sockets = new Set<Socket>()
  const seen = { bytes: 0, connections: 0 }
  const server = createServer((socket) => {
    sockets.add(socket)
    seen.connections += 1
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      seen.bytes += chunk.length
      socket.write(chunk)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    close() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

class Client {
  readonly socket: Socket
  received = ''
  closed = false

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1')
    this.socket.on('error', () => {})
    this.socket.on('data', (chunk) => {
      this.received += chunk.toString('latin1')
    })
    this.socket.on('close', () => {
      this.closed = true
    })
  }

  send(text: string): void {
    this.socket.write(text)
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5)
}

/** Long enough for a byte to cross the loopback many times over; only to show that it did not. */
const A_WHILE_MS = 150

describe('TcpProxy', () => {
  let echo: Awaited<ReturnType<typeof startEcho>>
  let proxy: TcpProxy
  const clients: Client[] = []

  function open(): Client {
    const client = new Client(proxy.port)
    clients.push(client)
    return client
  }

  beforeEach(async () => {
    echo = await startEcho()
    proxy = await TcpProxy.start({ port: echo.port })
  })

  afterEach(async () => {
    for (const client of clients.splice(0)) client.socket.destroy()
    await proxy.close()
    echo.close()
  })

  test('passes bytes and the end of a connection both ways', async () => {
    const client = open()
    client.send('hello')
    await until(() => client.received === 'hello')
    client.socket.end()
    await until(() => client.closed)
    await until(() => proxy.connections === 0)
  })

  test('cut resets what is open and takes new connections', async () => {
    const client = open()
    client.send('a')
    await until(() => client.received === 'a')
    proxy.cut()
    await until(() => client.closed)
    const next = open()
    next.send('b')
    await until(() => next.received === 'b')
  })

  test('refuse lets nobody in until listen', async () => {
    await proxy.refuse()
    const refused = open()
    await until(() => refused.closed)
    expect(echo.seen.connections).toBe(0)
    await proxy.listen()
    const client = open()
    client.send('c')
    await until(() => client.received === 'c')
  })

  test('connections that were abandoned stay, whatever becomes of others', async () => {
    const abandoned = open()
    abandoned.send('d')
    await until(() => abandoned.received === 'd')
    proxy.abandon()
    await proxy.refuse()
    await proxy.listen()
    const client = open()
    client.send('e')
    await until(() => client.received === 'e')
    abandoned.send('f')
    await sleep(A_WHILE_MS)
    expect([abandoned.received, abandoned.closed]).toEqual(['d', false])
  })

  test('stall toClient lets the request through and keeps the answer until heal', async () => {
    const client = open()
    proxy.stall('toClient')
    client.send('question')
    await until(() => echo.seen.bytes === 8)
    await sleep(A_WHILE_MS)
    expect(client.received).toBe('')
    proxy.heal()
    await until(() => client.received === 'question')
  })

  test('an answer that was stalled is gone after a cut', async () => {
    const client = open()
    proxy.stall('toClient')
    client.send('question')
    await until(() => echo.seen.bytes === 8)
    proxy.cut()
    proxy.heal()
    await until(() => client.closed)
    expect(client.received).toBe('')
  })

  test('stall toServer blocks the sender once the buffers are full', async () => {
    const client = open()
    client.send('x')
    await until(() => client.received === 'x')
    proxy.stall('toServer')
    const megabyte = Buffer.alloc(1024 * 1024)
    for (let sent = 0; sent < 64; sent += 1) client.socket.write(megabyte)
    await sleep(A_WHILE_MS)
    expect(client.socket.writableLength).toBeGreaterThan(0)
    expect(echo.seen.bytes).toBeLessThan(1024 * 1024)
  })

  test('a black hole keeps connections open and silent, new ones too; heal lets all through', async () => {
    const client = open()
    client.send('1')
    await until(() => client.received === '1')
    proxy.blackHole()
    client.send('2')
    const late = open()
    late.send('3')
    await sleep(A_WHILE_MS)
    expect([client.received, late.received, client.closed, late.closed]).toEqual(['1', '', false, false])
    expect(echo.seen.connections).toBe(1)
    proxy.heal()
    await until(() => client.received === '12' && late.received === '3')
  })

  test('in a black hole the other side does not learn that a connection has ended', async () => {
    const client = open()
    client.send('1')
    await until(() => client.received === '1')
    proxy.blackHole()
    echo.close()
    await sleep(A_WHILE_MS)
    expect(client.closed).toBe(false)
    proxy.heal()
    await until(() => client.closed)
  })

  test('a delay holds every byte back at least that long, each way, in order', async () => {
    proxy.delay(60)
    const client = open()
    const sentAt = performance.now()
    for (const letter of 'abc') {
      client.send(letter)
      await sleep(5)
    }
    await until(() => client.received === 'abc')
    expect(performance.now() - sentAt).toBeGreaterThanOrEqual(120)
  })

  test('a throttled link lets so much through in a second, and when it is healed all of it', async () => {
    proxy.throttle(100_000)
    const client = open()
    const sentAt = performance.now()
    for (let n = 0; n < 5; n++) client.send('x'.repeat(10_000))
    await until(() => client.received.length === 50_000)
    expect(performance.now() - sentAt).toBeGreaterThanOrEqual(495)
    proxy.throttle(1)
    client.send('y'.repeat(1_000))
    await sleep(A_WHILE_MS)
    expect(client.received).not.toContain('y')
    proxy.heal()
    await until(() => client.received.length === 51_000)
  })

  test('where no WebSocket gets through, all else does', async () => {
    proxy.refuseWebSockets()
    const [plain, upgrading] = [open(), open()]
    plain.send('GET / HTTP/1.1\r\n\r\n')
    upgrading.send('GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    await until(() => upgrading.closed && plain.received.length > 0)
    expect(plain.closed).toBe(false)
  })

  test('new connections are led elsewhere, those that are stay', async () => {
    const other = await startEcho()
    const before = open()
    await until(() => echo.seen.connections === 1)
    proxy.leadTo({ port: other.port })
    const after = open()
    before.send('a')
    after.send('bc')
    await until(() => before.received === 'a' && after.received === 'bc')
    expect([echo.seen.bytes, other.seen]).toEqual([1, { bytes: 2, connections: 1 }])
    other.close()
  })
})
