import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { io, type Socket } from 'socket.io-client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Cluster, startCluster } from './services/cluster.ts'

/** A plain Socket.IO client and its requests, all from one address, so that Nginx leads them to one instance. */
interface Visitor {
  instance: string
  socket: Socket
  subscribed: { status: string; key: string }[]
  valueUpdates: { key: string; value: unknown; timestamp: number }[]
  updates: { data: { key: string; value: unknown; timestamp: number }; timestamp: number }[]
  ask(method: string, path: string, body?: unknown): Promise<{ status: number; body: string }>
}

let cluster: Cluster
/** One at each instance. */
const visitors: Visitor[] = []

beforeAll(async () => {
  cluster = await startCluster()
  for (let network = 1; visitors.length < cluster.instances.length && network < 50; network++) {
    const agent = new Agent({ localAddress: `127.0.${network}.1`, keepAlive: true })
    const instance = JSON.parse((await ask(agent, 'GET', '/api/v1/status')).body).instance
    if (!visitors.some((visitor) => visitor.instance === instance)) visitors.push(visit(instance, agent))
  }
})

afterAll(async () => {
  for (const { socket } of visitors) socket.disconnect()
  await cluster?.stop()
})

async function ask(agent: Agent, method: string, path: string, body?: unknown) {
  const headers = { 'content-type': 'application/json' }
  const asked = request(`${cluster.url}${path}`, { agent, method, ...(body !== undefined && { headers }) })
  asked.end(body === undefined ? undefined : JSON.stringify(body))
  const [answer] = await once(asked, 'response')
  let text = ''
  for await (const chunk of answer.setEncoding('utf8')) text += chunk
  return { status: answer.statusCode as number, body: text }
}

function visit(instance: string, agent: Agent): Visitor {
  // Its types know browsers' agents only.
  const socket = io(cluster.url, { agent: agent as never, forceNew: true })
  const visitor: Visitor = {
    instance,
    socket,
    subscribed: [],
    valueUpdates: [],
    updates: [],
    ask: (method, path, body) => ask(agent, method, path, body),
  }
  socket.on('subscribed', (answer) => visitor.subscribed.push(answer))
  socket.on('valueUpdate', (event) => visitor.valueUpdates.push(event))
  socket.on('update', (event) => visitor.updates.push(event))
  return visitor
}

test('three instances have a visitor each, over WebSocket', async () => {
  expect(visitors).toHaveLength(3)
  for (const { socket } of visitors) {
    await expect.poll(() => socket.connected && socket.io.engine.transport.name).toBe('websocket')
  }
})

test('a value written at any instance is pushed to the visitors of each, once', async () => {
  for (const { socket } of visitors) socket.emit('subscribe', 'gold')
  await expect.poll(() => visitors.every(({ subscribed }) => subscribed.length === 1)).toBe(true)
  expect(visitors.map(({ subscribed }) => subscribed[0])).toEqual(
    visitors.map(() => ({ status: 'success', key: 'gold' })),
  )

  const written: number[] = []
  for (let round = 0; round < 20; round++) {
    for (const [at, visitor] of visitors.entries()) {
      const value = round * 10 + at
      const answer = await visitor.ask('POST', '/add', { key: 'gold', value })
      expect(answer.status).toBe(200)
      expect(JSON.parse(answer.body)).toMatchObject({ success: true, message: 'Value stored successfully' })
      written.push(value)
      // Each is shown everywhere before the next: a watcher may skip values only when it is behind.
      await expect
        .poll(() => visitors.every(({ valueUpdates }) => valueUpdates.at(-1)?.value === value), {
          interval: 5,
        })
        .toBe(true)
    }
  }
  // Time for a second copy, by whatever way, to arrive: another change comes behind it on each way.
  await visitors[0]!.ask('POST', '/add', { key: 'end', value: 1 })
  await expect.poll(() => visitors.every(({ updates }) => updates.at(-1)?.data.key === 'end')).toBe(true)
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  for (const { valueUpdates, updates } of visitors) {
    expect(valueUpdates.map(({ value }) => value)).toEqual(written)
    expect(updates.map(({ data }) => data.value)).toEqual([...written, 1])
    expect(valueUpdates[0]).toMatchObject({ key: 'gold', value: 0, timestamp: expect.any(Number) })
    expect(updates[0]).toMatchObject({
      data: { key: 'gold', value: 0, timestamp: expect.any(Number) },
      timestamp: expect.any(Number),
    })
  }
})

test('the classic routes answer the same through every instance', async () => {
  for (const visitor of visitors) {
    await expect
      .poll(async () => JSON.parse((await visitor.ask('GET', '/keys')).body))
      .toMatchObject({ success: true, data: ['end', 'gold'] })
    const got = await visitor.ask('GET', '/get/gold')
    expect(JSON.parse(got.body)).toMatchObject({
      value: visitors[0]!.valueUpdates.at(-1)!.value,
      updatedAt: expect.any(String),
      source: expect.stringMatching(/^(cache|database)$/),
    })
    expect(await visitor.ask('GET', '/get/missing')).toMatchObject({ status: 404 })
    expect(await visitor.ask('POST', '/add', { key: 'gold' })).toMatchObject({ status: 400 })
    for (const path of ['/admin', '/viewer/gold']) {
      const page = await visitor.ask('GET', path)
      expect(page.status).toBe(200)
      expect(page.body).toContain('<!doctype html>')
    }
    expect((await visitor.ask('GET', '/socket.io/socket.io.js')).body).toContain('Socket.IO')
  }
})
