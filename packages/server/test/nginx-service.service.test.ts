import { once } from 'node:events'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
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

async function answerTo(localAddress: string): Promise<{ status: number; text: string }> {
  const asked = request(server.url, { localAddress, agent: false }).end()
  const [answer] = await once(asked, 'response')
  let text = ''
  for await (const chunk of answer.setEncoding('utf8')) text += chunk
  return { status: answer.statusCode, text }
}

/** Who answers a client of this address. */
const ask = async (localAddress: string) => (await answerTo(localAddress)).text
const statusOf = async (localAddress: string) => (await answerTo(localAddress)).status

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

/** So many do not last ten seconds, however slow the machine is; they do outlast the second that one is left out. */
const PACED_REQUESTS_MAX = 60
const PACE_MS = 100

test('instances that were all away serve again soon after they are back', async () => {
  for (const upstream of upstreams) {
    const closed = once(upstream, 'close')
    upstream.close()
    upstream.closeAllConnections()
    await closed
  }
  // Each is found out by itself.
  for (let count = 0; count < ports.length; count += 1) expect(await statusOf('127.0.7.1')).toBe(503)
  for (const [index, upstream] of upstreams.entries()) {
    upstream.listen(ports[index], '127.0.0.1')
    await once(upstream, 'listening')
  }
  let requests = 1
  while ((await statusOf('127.0.7.1')) !== 200) {
    await sleep(PACE_MS)
    requests += 1
  }
  expect(requests).toBeLessThan(PACED_REQUESTS_MAX)
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
