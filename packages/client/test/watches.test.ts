import { afterEach, expect, test } from 'vitest'
import { TcpProxy } from '../../server/test/services/tcp-proxy.ts'
import { type LiveServer, startLiveServer, storeOf } from '../../server/test/support/live-server.ts'
import { LogOracle } from '../../server/test/support/log-oracle.ts'
import { type Client, createClient } from '../src/client.ts'
import type { Selection } from '../src/selection.ts'
import { SharedWatch } from '../src/shared-watch.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function start(oracle: LogOracle, maxKeys?: number): Promise<LiveServer> {
  const server = await startLiveServer(storeOf(oracle), maxKeys === undefined ? {} : { maxKeys })
  closing.push(() => server.close())
  return server
}

function connect(url: string): Client {
  const client = createClient(url)
  closing.push(() => client.close())
  return client
}

/** What a watcher was told, and what it holds by that. */
function follow(client: Client, selection: Selection) {
  const told = {
    types: [] as string[],
    values: new Map<string, unknown>(),
    error: undefined as string | undefined,
  }
  const stop = client.watch(selection, (event) => {
    if (event.type !== 'state') told.types.push(event.type)
    if (event.type === 'put') told.values.set(event.key, event.value)
    if (event.type === 'delete') told.values.delete(event.key)
    if (event.type === 'error') told.error = event.error.code
  })
  return { ...told, told, stop }
}

test('a selection within one that is refused goes on by itself', async () => {
  const oracle = new LogOracle()
  for (let n = 0; n < 120; n++) oracle.append({ op: 'put', key: `k${n}`, json: '1' })
  const server = await start(oracle, 100)
  const client = connect(server.url)
  const all = follow(client, { all: true })
  const [key, prefix, gone] = [{ key: 'k7' }, { prefix: 'k1' }, { keys: ['none', 'k5'] }].map((selection) =>
    follow(client, selection),
  )
  await expect.poll(() => all.told.error).toBe('SELECTION_TOO_LARGE')
  await expect.poll(() => key!.types.at(-1)).toBe('current')
  await expect.poll(() => prefix!.types.at(-1)).toBe('current')
  await expect.poll(() => gone!.types.at(-1)).toBe('current')
  expect([key!.values.size, prefix!.values.size, gone!.values.size]).toEqual([1, 31, 1])
  server.hub.accept([
    oracle.append({ op: 'put', key: 'k7', json: '2' }),
    oracle.append({ op: 'delete', key: 'k5' }),
  ])
  await expect.poll(() => key!.values.get('k7')).toBe(2)
  await expect.poll(() => gone!.values.size).toBe(0)
  expect([key!.told.error, prefix!.told.error, gone!.told.error]).toEqual([undefined, undefined, undefined])
  await expect.poll(() => client.state.name).toBe('live')
  expect(all.types.filter((type) => type === 'error')).toHaveLength(1)
})

test('what changes between the pages of a snapshot belongs to it', async () => {
  const oracle = new LogOracle()
  for (let n = 100; n < 300; n++) oracle.append({ op: 'put', key: `k${n}`, json: '1' })
  const store = storeOf(oracle)
  const server = await startLiveServer({
    ...store,
    async list(page) {
      const answer = await store.list(page)
      // Of keys whose page has gone out: one that is new, one that is gone.
      if (page.after !== undefined && oracle.head === 200) {
        server.hub.accept([
          oracle.append({ op: 'put', key: 'k000', json: '2' }),
          oracle.append({ op: 'delete', key: 'k100' }),
        ])
        // On their way before the page is.
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
      return answer
    },
  })
  closing.push(() => server.close())
  const watched = follow(connect(server.url), { prefix: 'k' })
  await expect.poll(() => watched.types.at(-1)).toBe('current')
  expect(oracle.head).toBe(202)
  expect([watched.values.get('k000'), watched.values.has('k100'), watched.values.size]).toEqual([
    2,
    false,
    200,
  ])
})

test('a snapshot in place of what was missed: what it lacks is gone', async () => {
  const oracle = new LogOracle()
  for (const key of ['a', 'b', 'c']) oracle.append({ op: 'put', key, json: '1' })
  const server = await start(oracle)
  const proxy = await TcpProxy.start({ port: Number(new URL(server.url).port) })
  closing.push(() => proxy.close())
  const client = connect(`http://127.0.0.1:${proxy.port}`)
  const watched = follow(client, { prefix: '' })
  await expect.poll(() => watched.types.at(-1)).toBe('current')
  // Behind the instance's back, which comes to a log that is cut: it begins again with everything.
  oracle.append({ op: 'delete', key: 'b' })
  oracle.append({ op: 'put', key: 'c', json: '2' })
  oracle.compactedThrough = 4
  await server.hub.catchUp()
  await expect.poll(() => watched.values.size).toBe(2)
  expect(watched.values).toEqual(new Map(Object.entries({ a: 1, c: 2 })))
  await expect.poll(() => watched.types.at(-1)).toBe('current')
  expect(watched.types).not.toContain('reset')
  // And the client's own absence from such a log.
  await proxy.refuse()
  await expect.poll(() => client.state.name).not.toBe('live')
  const changes = [
    oracle.append({ op: 'delete', key: 'a' }),
    oracle.append({ op: 'put', key: 'd', json: '3' }),
  ]
  server.hub.accept(changes)
  for (let n = 0; n < 2_000; n++) server.hub.accept([oracle.append({ op: 'put', key: `e${n}`, json: '4' })])
  oracle.compactedThrough = oracle.head
  await proxy.listen()
  await expect.poll(() => client.state.name, { timeout: 30_000 }).toBe('live')
  expect(watched.types).toContain('reset')
  expect([watched.values.size, watched.values.has('a'), watched.values.get('d')]).toEqual([2_002, false, 3])
})

test('an instance that is going away is left for another without a time offline', async () => {
  const oracle = new LogOracle()
  oracle.append({ op: 'put', key: 'a', json: '1' })
  const [first, second] = [await start(oracle), await start(oracle)]
  const proxy = await TcpProxy.start({ port: Number(new URL(first.url).port) })
  closing.push(() => proxy.close())
  const client = connect(`http://127.0.0.1:${proxy.port}`)
  const watched = follow(client, { key: 'a' })
  await expect.poll(() => client.state.name).toBe('live')
  const states: string[] = []
  client.onState(({ name }) => states.push(name))
  proxy.leadTo({ port: Number(new URL(second.url).port) })
  await first.close()
  await expect.poll(() => states.length > 1 && client.state.name, { timeout: 30_000 }).toBe('live')
  second.hub.accept([oracle.append({ op: 'put', key: 'a', json: '2' })])
  await expect.poll(() => watched.values.get('a')).toBe(2)
  expect(new Set(states)).toEqual(new Set(['live', 'catching-up']))
})

test('a snapshot makes the cursor void until it has ended', () => {
  const watch = new SharedWatch({ prefix: '' })
  const frame = { watch: '1', entries: [] }
  const answer = { reset: false, resumed: false, storeId: 's' }
  watch.answered(answer)
  watch.snapshotFrame({ ...frame, end: true, cursor: 'first' })
  expect(watch.cursor).toBe('first')
  watch.answered({ ...answer, resumed: true })
  watch.changesFrame({ watch: '1', changes: [], cursor: 'second', current: true })
  expect(watch.cursor).toBe('second')
  // Not asked for: the server has lost its place in the log.
  watch.snapshotFrame({ ...frame, end: false })
  expect([watch.cursor, watch.isCurrent]).toEqual([undefined, false])
  watch.snapshotFrame({ ...frame, end: true, cursor: 'third' })
  expect([watch.cursor, watch.isCurrent]).toEqual(['third', true])
  watch.answered(answer)
  expect(watch.cursor).toBe(undefined)
})
