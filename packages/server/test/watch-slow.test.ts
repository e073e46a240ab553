import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { FRAME_MAX_BYTES } from '@livekv/protocol'
import { pino } from 'pino'
import { afterEach, expect, test } from 'vitest'
import { openEmbedded } from '../src/store/embedded.ts'
import { PostgresStore } from '../src/store/postgres.ts'
import type { ShownWatch } from './support/live-client.ts'
import { type LiveServer, startLiveServer, storeOf } from './support/live-server.ts'
import { LogOracle } from './support/log-oracle.ts'

/** What one write may hand to a connection: the frame at which it stops, and what was before it. */
const BUFFER_MAX_BYTES = 2 * FRAME_MAX_BYTES + 100_000

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function start(store: Parameters<typeof startLiveServer>[0]): Promise<LiveServer> {
  const server = await startLiveServer(store)
  closing.push(() => server.close())
  return server
}

const isAt = (watch: ShownWatch, latest: ReadonlyMap<string, number>) =>
  [...latest].every(([key, revision]) => watch.shown.get(key)?.revision === revision)

test('a client that stops reading costs one value per key, disturbs nobody, and ends at the last ones', async () => {
  const KEYS = 50
  const CHANGES = 300_000
  const oracle = new LogOracle()
  const server = await start(storeOf(oracle))
  const [slow, fast] = [await server.connect(), await server.connect()]
  const named = Array.from({ length: 20 }, (_, n) => `k${n}`)
  const watches = [
    await slow.watch({ watch: 'keys', keys: named }),
    await slow.watch({ watch: 'prefix', prefix: 'k1' }),
    await slow.watch({ watch: 'all', prefix: '' }),
    await fast.watch({ watch: 'all', prefix: '' }),
  ]
  const watched = 20 + 11 + KEYS + KEYS
  await expect.poll(() => watches.every(({ snapshots }) => snapshots === 1)).toBe(true)
  slow.stopReading()
  const padding = 'x'.repeat(100)
  const latest = new Map<string, number>()
  let [mostWaiting, mostBuffered] = [0, 0]
  for (let n = 0; n < CHANGES; n += 50) {
    const changes = Array.from({ length: 50 }, (_, at) => {
      const key = `k${(n + at * 7) % KEYS}`
      return oracle.append({ op: 'put', key, json: `"${n + at}${padding}"` })
    })
    for (const { key, revision } of changes) latest.set(key, revision)
    server.hub.accept(changes)
    mostWaiting = Math.max(mostWaiting, server.live.stats().waiting)
    mostBuffered = Math.max(mostBuffered, server.buffered())
    await turn()
  }
  expect(mostWaiting).toBeLessThanOrEqual(watched)
  expect(mostBuffered).toBeLessThanOrEqual(BUFFER_MAX_BYTES)
  // It was slow indeed: all that it watches waits.
  expect(server.live.stats()).toMatchObject({ slow: 1, waiting: watched - KEYS })
  await expect.poll(() => isAt(watches[3]!, latest)).toBe(true)
  slow.readOn()
  await expect.poll(() => isAt(watches[2]!, latest)).toBe(true)
  await expect.poll(() => server.live.stats()).toMatchObject({ slow: 0, waiting: 0 })
  for (const [watch, keys] of [
    [watches[0], named],
    [watches[1], [...latest.keys()].filter((key) => key.startsWith('k1'))],
  ] as const) {
    expect([...watch!.shown].sort()).toEqual(
      keys.map((key) => [key, expect.objectContaining({ revision: latest.get(key) })]).sort(),
    )
  }
  for (const { problems } of watches) expect(problems).toEqual([])
}, 120_000)

test('of a snapshot a client that stops reading costs one page, and then it gets the rest', async () => {
  const KEYS = 20_000
  const dataDir = await mkdtemp(join(tmpdir(), 'livekv-slow-'))
  closing.push(() => rm(dataDir, { recursive: true, force: true }))
  const log = pino({ level: 'silent' })
  const store = await PostgresStore.open({
    database: { embedded: await openEmbedded({ dataDir, log }) },
    retention: { maxChanges: 1e8, maxAgeMs: undefined },
    log,
  })
  closing.push(() => store.close())
  let read = 0
  const list: typeof store.list = async (page) => {
    const answer = await store.list(page)
    read += answer.entries.length
    return answer
  }
  const server = await start({
    ...storeOf(new LogOracle()),
    info: store.info,
    list,
    get: (keys) => store.get(keys),
    commit: (writes) => store.commit(writes),
    listRevisions: (page) => store.listRevisions(page),
    changesSince: (revision, limit) => store.changesSince(revision, limit),
    latestChanges: (limit) => store.latestChanges(limit),
    head: () => store.head(),
  })
  const keyOf = (n: number) => `k${String(n).padStart(5, '0')}`
  const write = async (json: string) => {
    for (let from = 0; from < KEYS; from += 5_000) {
      await server.keyValue.write(
        Array.from({ length: 5_000 }, (_, n) => ({ op: 'put', key: keyOf(from + n), json })),
      )
    }
  }
  await write(JSON.stringify('x'.repeat(1_000)))
  const [slow, other] = [await server.connect(), await server.connect()]
  slow.stopReading()
  // Not `watch`, whose answer it does not read.
  const begun = slow.watch({ watch: 'w', prefix: '' })
  let before = -1
  await expect
    .poll(
      () => {
        const isStill = read > 0 && read === before && server.buffered() > 0
        before = read
        return isStill
      },
      { interval: 500, timeout: 60_000 },
    )
    .toBe(true)
  // The network took the rest.
  expect(read).toBeLessThan(KEYS * 0.8)
  const stoppedAt = read
  // Written three times meanwhile: one value for each key that has gone out or is about to.
  for (const round of [1, 2, 3]) await write(`${round}`)
  expect(read).toBe(stoppedAt)
  expect(server.live.stats().waiting).toBeLessThanOrEqual(KEYS)
  expect(server.live.stats().waiting).toBeGreaterThan(0)
  expect(server.buffered()).toBeLessThanOrEqual(BUFFER_MAX_BYTES)
  const small = await other.watch({ watch: 'w', prefix: 'k0000' })
  await expect.poll(() => small.snapshots).toBe(1)
  expect(small.values).toEqual(Object.fromEntries(Array.from({ length: 10 }, (_, n) => [keyOf(n), 3])))
  slow.readOn()
  const watch = await begun
  await expect.poll(() => watch.snapshots, { timeout: 60_000 }).toBe(1)
  const values = () => new Set(Object.values(watch.values))
  await expect.poll(values, { timeout: 60_000 }).toEqual(new Set([3]))
  expect([Object.keys(watch.values).length, watch.problems]).toEqual([KEYS, []])
}, 120_000)

const LONG_NAME = 'x'.repeat(80)

test.each<[string, number, number, (id: number) => readonly (string | Buffer)[]]>([
  // Nothing is there to delete: a large answer for little work.
  [
    'writes',
    300,
    1,
    (id) => [
      `2${id}["batch",{"writes":[${'{"op":"delete","key":"none"},'.repeat(4_999)}{"op":"delete","key":"none"}]}]`,
    ],
  ],
  ['what nobody knows', 300_000, 100, (id) => [`2${id}["${LONG_NAME}",{}]`]],
  [
    'binary data',
    300_000,
    100,
    (id) => [`51-${id}["${LONG_NAME}",{"_placeholder":true,"num":0}]`, Buffer.from([1])],
  ],
])(
  'a client that sends %s and does not read the answers is ended, and nobody else',
  async (_, most, perTurn, event) => {
    const server = await start(storeOf(new LogOracle()))
    const [asking, other] = [await server.connect(), await server.connect()]
    const ended = new Promise((resolve) => asking.socket.once('disconnect', resolve))
    asking.stopReading()
    for (let id = 0; server.live.stats().sockets === 2; id++) {
      for (const packet of event(id)) asking.send(packet)
      if (id % perTurn === 0) await turn()
      expect(id).toBeLessThan(most)
    }
    expect(server.live.stats()).toMatchObject({ sockets: 1, slow: 0 })
    expect(await other.ask('unwatch', { watch: 'none' })).toEqual({})
    asking.readOn()
    await ended
  },
  120_000,
)
