import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Cluster, startCluster } from './services/cluster.ts'
import { isAlive } from './services/processes.ts'

let cluster: Cluster

beforeAll(async () => {
  cluster = await startCluster({ environment: { MAX_VALUE_BYTES: '1000' } })
})

afterAll(async () => {
  await cluster?.stop()
})

interface Answer {
  status: number
  body: { instance?: string; limits?: { maxValueBytes: number }; value?: unknown }
}

/** As a client of this network. */
async function ask(network: number, path: string, value?: unknown): Promise<Answer> {
  const put = value === undefined ? {} : { method: 'PUT', headers: { 'content-type': 'application/json' } }
  const asked = request(`${cluster.url}${path}`, { localAddress: `127.0.${network}.1`, agent: false, ...put })
  asked.end(value === undefined ? undefined : JSON.stringify({ value }))
  const [answer] = await once(asked, 'response')
  let text = ''
  for await (const chunk of answer.setEncoding('utf8')) text += chunk
  return { status: answer.statusCode, body: JSON.parse(text) }
}

/** Instance ids that twenty networks are answered by. */
async function serving(): Promise<Set<string>> {
  const networks = Array.from({ length: 20 }, (_, index) => index + 1)
  const answers = await Promise.all(networks.map((network) => ask(network, '/api/v1/status')))
  return new Set(answers.map(({ body }) => body.instance ?? 'none'))
}

test('all instances serve, with the settings that were given', async () => {
  expect((await serving()).size).toBe(3)
  expect((await ask(1, '/api/v1/status')).body.limits?.maxValueBytes).toBe(1000)
})

test('what one instance wrote, every other one reads', async () => {
  expect((await ask(1, '/api/v1/entries?key=shared', 7)).status).toBeLessThan(300)
  for (const { url } of cluster.instances)
    await expect.poll(async () => (await fetch(`${url}/get/shared`)).json()).toMatchObject({ value: 7 })
})

test('an instance that was killed is passed by, and serves again after its start', async () => {
  const [first] = cluster.instances
  await first!.kill()
  expect(first!.pid).toBeUndefined()
  await expect.poll(async () => (await serving()).size).toBe(2)
  await first!.start()
  await expect.poll(async () => (await serving()).size).toBe(3)
})

test('an instance ends in order on SIGTERM', async () => {
  const last = cluster.instances[2]!
  expect(await last.shutDown()).toBe(0)
  await last.start()
  expect((await fetch(`${last.url}/readyz`)).ok).toBe(true)
})

test('ends all of it, also what is paused, and leaves nothing behind', async () => {
  const pids = cluster.instances.map(({ pid }) => pid!)
  cluster.instances[1]!.pause()
  await cluster.stop()
  expect(pids.filter(isAlive)).toEqual([])
  for (const url of [cluster.url, ...cluster.instances.map((instance) => instance.url)])
    await expect(fetch(url)).rejects.toThrow()
  const own = new RegExp(`^livekv-(instance|nginx|redis|kafka|postgres)-${process.pid}-`)
  expect(readdirSync(tmpdir()).filter((name) => own.test(name))).toEqual([])
})
