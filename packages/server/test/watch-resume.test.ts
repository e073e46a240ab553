import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Change, Entry, WatchRequest } from '@livekv/protocol'
import { pino } from 'pino'
import { afterEach, describe, expect, test } from 'vitest'
import { CursorCodec, type Position } from '../src/live/cursor.ts'
import { KeySelection, PrefixSelection } from '../src/live/selection.ts'
import { openEmbedded } from '../src/store/embedded.ts'
import { PostgresStore } from '../src/store/postgres.ts'
import { useLiveApp } from './support/live-app.ts'
import type { ShownWatch } from './support/live-client.ts'
import { type LiveServer, startLiveServer, storeOf } from './support/live-server.ts'
import { LogOracle } from './support/log-oracle.ts'

type Selection = Pick<WatchRequest, 'keys' | 'prefix'>

const live = useLiveApp()

/** A watch that was begun and left again, with its cursor. */
async function left(selection: Selection): Promise<ShownWatch> {
  const client = await live.connect()
  const watch = await client.watch({ watch: 'w', ...selection })
  await expect.poll(() => watch.snapshots).toBe(1)
  client.close()
  return watch
}

/** Comes back; what the server says from then on is in `texts`. */
async function comeBack(watch: ShownWatch, selection: Selection, since = watch.cursor!) {
  const client = await live.connect()
  const texts: string[] = []
  client.onText((text) => texts.push(text))
  await client.watch({ watch: 'w', ...selection, since }, watch)
  return { client, texts }
}

describe('resume', () => {
  test.each<[string, Selection]>([
    ['keys', { keys: ['r/a', 'r/b', 'r/c', 'r/d', 'r/e'] }],
    ['a prefix', { prefix: 'r/' }],
    ['everything', { prefix: '' }],
  ])('%s: exactly what has changed, deletes included, then what follows', async (_, selection) => {
    await live.putMany(['a', 'b', 'c'].map((key) => [`r/${key}`, 'old']))
    await live.remove('r/d')
    await live.remove('r/e')
    const watch = await left(selection)
    await live.put('r/a', 1)
    await live.put('other', 1)
    const [a, b, d] = [await live.put('r/a', 2), await live.remove('r/b'), await live.put('r/d', 'new')]
    await live.put('r/e', 'there')
    const e = await live.remove('r/e')
    const { texts } = await comeBack(watch, selection)
    await expect.poll(() => watch.current).toBe(1)
    expect(watch.answers[1]).toMatchObject({ reset: false, resumed: true })
    expect([watch.snapshots, watch.problems]).toEqual([1, []])
    const shown = texts
      .filter((text) => text.startsWith('2["changes",'))
      .flatMap((text) => JSON.parse(text.slice(1))[1].changes as Change[])
    expect(
      shown
        .filter(({ key }) => key.startsWith('r/'))
        .map((change) => [change.key, change.op === 'put' ? change.value : undefined, change.revision])
        .sort(),
    ).toEqual([
      ['r/a', 2, a],
      ['r/b', undefined, b],
      ['r/d', 'new', d],
      ['r/e', undefined, e],
    ])
    expect(shown.length).toBe(selection.prefix === '' ? 5 : 4)
    await live.put('r/c', 3)
    await expect.poll(() => watch.shown.get('r/c')?.value).toBe(3)
    expect(watch.current).toBe(1)
  })

  test('with nothing to tell it says so at once', async () => {
    const watch = await left({ prefix: 'quiet/' })
    const { client } = await comeBack(watch, { prefix: 'quiet/' })
    await expect.poll(() => watch.current).toBe(1)
    expect([watch.frames, watch.answers[1]?.resumed]).toEqual([2, true])
    client.close()
    // And from the cursor it gave with that.
    await comeBack(watch, { prefix: 'quiet/' })
    await expect.poll(() => watch.current).toBe(2)
  })

  test('again and again while it is written to, from whatever cursor came last', async () => {
    let writing = true
    const writes = (async () => {
      for (let n = 0; writing; n++)
        await live.putMany([
          [`again/${n % 7}`, n],
          [`again/${n % 3}`, n],
        ])
    })()
    const watch = await left({ prefix: 'again/' })
    for (let round = 0; round < 20; round++) {
      const { client } = await comeBack(watch, { prefix: 'again/' })
      await expect.poll(() => watch.current).toBe(round + 1)
      client.connection.destroy()
    }
    writing = false
    await writes
    await comeBack(watch, { prefix: 'again/' })
    await expect.poll(() => watch.current).toBe(21)
    const { json } = await live.call('GET', '/api/v1/entries?prefix=again/')
    expect(watch.values).toEqual(
      Object.fromEntries(json.entries.map(({ key, value }: Entry) => [key, value])),
    )
    expect([watch.snapshots, watch.problems]).toEqual([1, []])
  })

  test('keys may be named in another order, and twice', async () => {
    const watch = await left({ keys: ['o/a', 'o/b'] })
    await comeBack(watch, { keys: ['o/b', 'o/a', 'o/b'] })
    await expect.poll(() => watch.current).toBe(1)
  })
})

test('an instance that is stopping shows what it sees to the end, so that no cursor is ahead of what was shown', async () => {
  const oracle = new LogOracle()
  oracle.append({ op: 'put', key: 'a', json: '1' })
  const server = await startLiveServer(storeOf(oracle))
  const client = await server.connect()
  const watch = await client.watch({ watch: 'w', prefix: '' })
  await expect.poll(() => watch.snapshots).toBe(1)
  server.live.close()
  server.hub.accept([oracle.append({ op: 'put', key: 'a', json: '2' })])
  await expect.poll(() => client.goingAway).toEqual({ withinMs: 2_000 })
  await expect.poll(() => watch.values).toEqual({ a: 2 })
  await server.close()
})

test('for watches whose socket has left the log is not read', async () => {
  const oracle = new LogOracle()
  for (let n = 0; n < 2_000; n++) oracle.append({ op: 'put', key: `k${n}`, json: '1' })
  const { promise, resolve: answer } = Promise.withResolvers<void>()
  let reads = 0
  const store = storeOf(oracle)
  const server = await startLiveServer({
    ...store,
    async changesSince(revision, limit) {
      reads++
      await promise
      return store.changesSince(revision, limit)
    },
  })
  const client = await server.connect()
  const since = new CursorCodec('oracle.1', new PrefixSelection('k')).encode({ low: 1, high: 1 })
  for (let n = 0; n < 50; n++) client.emit('watch', { watch: `${n}`, prefix: 'k', since })
  await expect.poll(() => [server.live.stats().watches, reads]).toEqual([50, 1])
  client.close()
  await expect.poll(() => server.live.stats().watches).toBe(0)
  answer()
  const other = await server.connect()
  const watch = await other.watch({ watch: 'w', prefix: 'k', since })
  await expect.poll(() => watch.current).toBe(1)
  expect(reads).toBe(2)
  await server.close()
})

describe('a cursor that tells nothing here: a snapshot that is marked as a reset', () => {
  const mine = new PrefixSelection('x/')
  const start = { low: 0, high: 0 }
  /** From the store's id and its head. */
  type Made = (storeId: string, head: number) => string
  const made =
    (position: Position, selection: PrefixSelection | KeySelection = mine): Made =>
    (storeId) =>
      new CursorCodec(storeId, selection).encode(position)

  test.each<[string, Made]>([
    ['of another store', () => new CursorCodec('another.1', mine).encode(start)],
    ['of another prefix', made(start, new PrefixSelection('x'))],
    ['of keys', made(start, new KeySelection(['x/']))],
    ['above the head', (id, head) => made({ low: 0, high: head + 1 })(id, head)],
    ['far above the head', made({ low: 2 ** 52, high: 2 ** 52 })],
    ['made up: below zero', made({ low: -1, high: 0 })],
    ['made up: no revision', made({ low: 0.5, high: 1 })],
    ['made up: no number', made({ low: Number.NaN, high: 1 })],
    ['made up: no end', made({ low: 0, high: Number.POSITIVE_INFINITY })],
    ['cut', (id, head) => made(start)(id, head).slice(0, -1)],
    ['longer', (id, head) => `${made(start)(id, head)}A`],
    ['damaged', (id, head) => made(start)(id, head).replace(/^./, (first) => (first === 'A' ? 'B' : 'A'))],
    ['empty', () => ''],
    ['nonsense', () => '💥'],
  ])('%s', async (_, cursor) => {
    const head = await live.put('x/there', 1)
    const watch = await left({ prefix: 'x/' })
    watch.shown.set('x/ghost', { revision: 1, value: 'of another history' })
    await comeBack(watch, { prefix: 'x/' }, cursor(watch.answers[0]!.storeId, head))
    await expect.poll(() => watch.snapshots).toBe(2)
    expect(watch.answers[1]).toMatchObject({ reset: true, resumed: false })
    expect(watch.values).toEqual({ 'x/there': 1 })
    expect(watch.current).toBe(0)
  })
})

describe('a cursor from far back', () => {
  let server: LiveServer | undefined
  let store: PostgresStore | undefined
  let dataDir = ''
  afterEach(async () => {
    await server?.close()
    await store?.close()
    await rm(dataDir, { recursive: true, force: true })
  })

  const PARTITION = 100

  async function start(maxChanges: number): Promise<LiveServer> {
    dataDir = await mkdtemp(join(tmpdir(), 'livekv-resume-'))
    const log = pino({ level: 'silent' })
    store = await PostgresStore.open({
      database: { embedded: await openEmbedded({ dataDir, log }) },
      retention: { maxChanges, maxAgeMs: undefined },
      partitionSize: PARTITION,
      log,
    })
    // A Tail of a few keys: resuming is left to the log.
    server = await startLiveServer(store, { tailMaxEntries: 5 })
    return server
  }

  /** In commits for which a partition has room. */
  async function write(...keys: string[]): Promise<void> {
    for (let n = 0; n < keys.length; n += 25) {
      await server!.keyValue.write(
        keys.slice(n, n + 25).map((key, at) => ({ op: 'put', key, json: `${n + at}` })),
      )
    }
  }

  const selections: Selection[] = [{ keys: ['k1', 'k2', 'gone', 'k999'] }, { prefix: '' }]

  /** One watch of each selection, left again. */
  async function leave(): Promise<ShownWatch[]> {
    const client = await server!.connect()
    const watches = await Promise.all(
      selections.map((selection, n) => client.watch({ watch: `${n}`, ...selection })),
    )
    await expect.poll(() => watches.map(({ snapshots }) => snapshots)).toEqual([1, 1])
    client.close()
    return watches
  }

  async function returnWith(watches: readonly ShownWatch[]): Promise<void> {
    const client = await server!.connect()
    for (const [n, watch] of watches.entries()) {
      await client.watch({ watch: `${n}`, ...selections[n], since: watch.cursor! }, watch)
    }
  }

  test('within the log: what has changed', async () => {
    await start(1_000_000)
    await write('gone', 'k1')
    const watches = await leave()
    await server!.keyValue.write([{ op: 'delete', key: 'gone' }])
    await write(...Array.from({ length: 250 }, (_, n) => `k${n % 50}`))
    await returnWith(watches)
    await expect.poll(() => watches.map(({ current }) => current)).toEqual([1, 1])
    for (const watch of watches) {
      expect([watch.answers[1]?.resumed, watch.snapshots, watch.problems]).toEqual([true, 1, []])
      expect(watch.values).toMatchObject({ k1: 201, k2: 202 })
      expect(watch.shown.get('gone')).toMatchObject({ value: undefined, revision: 3 })
    }
  })

  test('below the log: a snapshot that is marked as a reset', async () => {
    await start(10)
    await write('gone')
    const watches = await leave()
    await server!.keyValue.write([{ op: 'delete', key: 'gone' }])
    await write(...Array.from({ length: 3 * PARTITION }, (_, n) => `k${n % 10}`))
    const isCut = () =>
      store!.changesSince(1, 1).then(
        () => false,
        () => true,
      )
    await expect.poll(isCut, { timeout: 30_000 }).toBe(true)
    await returnWith(watches)
    await expect.poll(() => watches.map(({ snapshots }) => snapshots)).toEqual([2, 2])
    for (const watch of watches) {
      expect(watch.answers[1]).toMatchObject({ reset: true, resumed: false })
      expect(watch.values).toMatchObject({ k1: 291 })
      expect('gone' in watch.values).toBe(false)
    }
  })
})
