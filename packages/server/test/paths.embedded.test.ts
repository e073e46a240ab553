import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { MemoryBus } from '../src/bus/memory.ts'
import { MemoryCache } from '../src/cache/memory.ts'
import { loadConfig } from '../src/config.ts'
import { Expiry } from '../src/expiry.ts'
import { KeyValue } from '../src/key-value.ts'
import { Hub } from '../src/live/hub.ts'
import { RecentKeys } from '../src/live/recent-keys.ts'
import { Tail } from '../src/live/tail.ts'
import { createLog } from '../src/log.ts'
import { openStore } from '../src/store/open-store.ts'
import type { Store } from '../src/store/store.ts'

const directory = await mkdtemp(join(tmpdir(), 'livekv-paths-'))
const { config } = loadConfig({ DATA_DIR: join(directory, 'data'), LOG_LEVEL: 'silent' })
const log = createLog(config)
let store: Store
beforeAll(async () => {
  store = await openStore(config, log)
})
const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})
afterAll(async () => {
  await store.close()
  await rm(directory, { recursive: true })
})

/** An instance with a Tail and a cache far too small, whose bus brings nothing from others. */
async function instance(tailEntries = 6, pollMs = 20) {
  const tail = new Tail({ maxEntries: tailEntries, maxBytes: 1_000 })
  const watched = { keys: () => [], prefixes: () => [''], known: () => recentKeys.known() }
  const hub = new Hub({ store, tail, watched, log, gapMs: 10, pollMs })
  const recentKeys = new RecentKeys({ store, hub, limit: 1_000, log })
  const cache = new MemoryCache({ maxBytes: 2_000 })
  const keyValue = new KeyValue({ store, hub, cache, bus: new MemoryBus(), recentKeys })
  const expiry = new Expiry({ store, keyValue, log, intervalMs: 20 })
  await hub.start()
  recentKeys.start()
  closing.push(async () => {
    await expiry.close()
    await keyValue.close()
    await recentKeys.close()
    await hub.close()
  })
  return { keyValue, hub, expiry }
}

test('many writers and readers: nobody reads less than was acknowledged, and watchers see only rising revisions', async () => {
  const { keyValue, hub } = await instance()
  const keys = Array.from({ length: 20 }, (_, i) => `many.${i}`)
  const told = new Map<string, number>()
  const watched = new Map<string, number>()
  const problems: string[] = []
  const tell = (key: string, revision: number) => told.set(key, Math.max(told.get(key) ?? 0, revision))
  hub.listen((changes) => {
    for (const { key, revision } of changes) {
      if (revision <= (watched.get(key) ?? 0)) problems.push(`${key}: watcher at ${revision}`)
      watched.set(key, revision)
    }
  })
  const worker = async (seed: number) => {
    for (let i = 0; i < 100; i++) {
      const key = keys[(seed * 7 + i * 13 + ((i * seed) % 5)) % keys.length] as string
      const before = told.get(key) ?? 0
      if ((seed + i) % 3 === 0) {
        const [result] = await keyValue.write([
          i % 5 === 0 ? { op: 'delete', key } : { op: 'put', key, json: `"${seed}.${i}"` },
        ])
        if (result?.status === 'applied') tell(key, result.change.revision)
      } else {
        const found = await keyValue.get(key)
        if (found.revision < before) problems.push(`${key}: ${found.revision} after ${before}`)
        tell(key, found.revision)
      }
    }
  }
  await Promise.all(Array.from({ length: 24 }, (_, seed) => worker(seed)))
  expect(problems).toEqual([])
  const { entries } = await store.get(keys)
  for (const [key, { entry }] of await keyValue.getMany(keys)) expect(entry).toEqual(entries.get(key) ?? null)
  expect(hub.contiguous).toBe(await store.head())
})

test('another instance follows the log by itself', async () => {
  const one = await instance()
  const two = await instance()
  const seen: number[] = []
  two.hub.listen((changes) => seen.push(...changes.map(({ revision }) => revision)))
  const results = await one.keyValue.write(
    Array.from({ length: 50 }, (_, i) => ({ op: 'put', key: `other.${i}`, json: '1' })),
  )
  const revisions = results.map((result) => (result.status === 'applied' ? result.change.revision : 0))
  expect(await two.keyValue.get('other.49', revisions[49])).toMatchObject({ revision: revisions[49] })
  await two.hub.whenReached(revisions[49] as number, 60_000)
  expect(seen.toSorted((a, b) => a - b)).toEqual(revisions)
  expect((await two.keyValue.keys()).keys.slice(0, 2)).toEqual(['other.49', 'other.48'])
})

test('what has expired is deleted once, whoever finds it; what was written again stays', async () => {
  const one = await instance()
  const two = await instance()
  await one.keyValue.write([
    { op: 'put', key: 'short', json: '1', ttlMs: 50 },
    { op: 'put', key: 'renewed', json: '1', ttlMs: 50 },
    { op: 'put', key: 'renewed', json: '2' },
  ])
  one.expiry.start()
  two.expiry.start()
  while ((await two.keyValue.get('short')).entry) await new Promise((resolve) => setTimeout(resolve, 10))
  const { changes } = await store.history({ key: 'short', by: 'revision', order: 'asc', limit: 10 })
  expect(changes.map(({ json }) => json)).toEqual(['1', null])
  expect((await one.keyValue.get('short', changes[1]?.revision)).entry).toBe(null)
  expect((await one.keyValue.get('renewed')).entry?.json).toBe('2')
})
