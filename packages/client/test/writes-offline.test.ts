import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { freePort } from '../../server/test/services/free-port.ts'
import { TcpProxy } from '../../server/test/services/tcp-proxy.ts'
import { ServerProcess } from '../../server/test/sigkill/server-process.ts'
import type { WriteResult } from '../src/index.ts'
import { clientsOfTests } from './support/clients.ts'

let directory: string
let server: ServerProcess
let proxy: TcpProxy
const connect = clientsOfTests()
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'livekv-client-'))
  server = new ServerProcess(await freePort(), directory, { DATA_DIR: join(directory, 'data') })
  await server.start()
})
afterAll(async () => {
  await server.kill()
  await rm(directory, { recursive: true, force: true })
})
beforeEach(async () => {
  proxy = await TcpProxy.start({ port: Number(new URL(server.url).port) })
})
afterEach(() => proxy.close())

/** The values of a key’s history, oldest first. */
async function log(key: string): Promise<unknown[]> {
  const client = connect(server.url)
  const values: unknown[] = []
  for (let cursor: string | undefined; ; ) {
    const page = await client.history(key, { by: 'revision', limit: 1_000, ...(cursor && { cursor }) })
    values.push(...page.items.map((change) => (change.op === 'put' ? change.value : null)))
    if (page.next === undefined) return values
    cursor = page.next
  }
}

/** Issues `issue(i)` for i = 0, 1, … until `harm` has ended, and waits for all acknowledgements. */
async function during(
  issue: (i: number) => Promise<WriteResult>,
  harm: () => Promise<void>,
): Promise<WriteResult[]> {
  let isOver = false
  const harmed = harm().finally(() => {
    isOver = true
  })
  const acknowledged: Promise<WriteResult>[] = []
  for (let i = 0; !isOver; i++) {
    acknowledged.push(issue(i))
    await sleep(5)
  }
  await harmed
  return Promise.all(acknowledged)
}

async function cutOften(): Promise<void> {
  for (let cuts = 0; cuts < 6; cuts++) {
    await sleep(300)
    proxy.cut()
  }
  await proxy.refuse()
  await sleep(500)
  await proxy.listen()
}

test('over a link that is cut again and again every increment counts once', async () => {
  const client = connect(proxy.through(server.url))
  const results = await during(() => client.increment('count'), cutOften)
  expect((await client.get('count'))?.value).toBe(results.length)
  expect(results.map(({ value }) => value)).toEqual(results.map((_, i) => i + 1))
})

test('over a link that loses the answers only, too', async () => {
  const client = connect(proxy.through(server.url))
  const direct = connect(server.url)
  let acknowledged = 0
  const results = await during(
    async () => {
      const result = await client.increment('answers')
      acknowledged++
      return result
    },
    async () => {
      for (let cuts = 0; cuts < 5; cuts++) {
        // Not by its state: it may not have noticed the last cut.
        const answered = acknowledged
        await expect.poll(() => acknowledged).toBeGreaterThan(answered)
        // What is written now is applied; its answers are on their way when the link is cut.
        proxy.stall('toClient')
        const before = acknowledged
        await expect
          .poll(async () => (await direct.get<number>('answers'))?.value ?? 0)
          .toBeGreaterThan(before)
        const { accepted } = proxy
        proxy.cut()
        proxy.heal()
        await expect.poll(() => proxy.accepted).toBeGreaterThan(accepted)
      }
    },
  )
  expect((await client.get('answers'))?.value).toBe(results.length)
  expect(results.filter(({ repeated }) => repeated).length).toBeGreaterThan(0)
})

test('writes of each key are applied in the order of issue, none is missing and none is there twice', async () => {
  const client = connect(proxy.through(server.url))
  const results = await during((i) => client.put(`order/${i % 3}`, Math.floor(i / 3)), cutOften)
  for (const key of [0, 1, 2]) {
    const own = results.filter((result) => result.key === `order/${key}`)
    expect(await log(`order/${key}`)).toEqual(own.map((_, i) => i))
  }
})

test('a server that is killed and started again loses nothing acknowledged and applies nothing twice', async () => {
  const client = connect(server.url)
  const results = await during(
    (i) => (i % 2 === 0 ? client.increment('killed') : client.put('killed order', (i - 1) / 2)),
    async () => {
      for (let kills = 0; kills < 2; kills++) {
        await sleep(500)
        await server.kill()
        await sleep(100)
        await server.start()
      }
    },
  )
  const increments = results.filter(({ key }) => key === 'killed')
  expect((await client.get('killed'))?.value).toBe(increments.length)
  expect(await log('killed order')).toEqual(
    Array.from({ length: results.length - increments.length }, (_, i) => i),
  )
})

test('issued while away, writes are sent when the server is there again', async () => {
  await proxy.refuse()
  const client = connect(proxy.through(server.url))
  await expect.poll(() => client.state.name).toBe('offline')
  const written = [
    client.put('away', 1),
    client.increment('away'),
    client.delete('away'),
    client.increment('away', 5),
  ]
  await proxy.listen()
  expect((await Promise.all(written)).map(({ op }) => op)).toEqual([
    'put',
    'increment',
    'delete',
    'increment',
  ])
  expect(await log('away')).toEqual([1, 2, null, 5])
})
