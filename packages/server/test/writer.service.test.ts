import { type ChildProcess, fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { LiveKVError } from '@livekv/protocol'
import pg from 'pg'
import pino from 'pino'
import { afterEach, describe, expect, test } from 'vitest'
import { PostgresStore } from '../src/store/postgres.ts'
import type { Change, Write } from '../src/store/store.ts'
import { startPostgres } from './services/postgres.ts'
import { TcpProxy } from './services/tcp-proxy.ts'
import { createTestDatabase } from './services/test-database.ts'

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function open(
  url: string,
  options: { commitDeadlineMs?: number; partitionSize?: number; maxChanges?: number } = {},
) {
  const store = await PostgresStore.open({
    database: { url, poolSize: 4 },
    retention: { maxChanges: options.maxChanges ?? 1e8, maxAgeMs: undefined },
    log: pino({ level: 'silent' }),
    ...options,
  })
  closing.push(() => store.close())
  return store
}

async function proxied(url: string): Promise<{ proxy: TcpProxy; url: string }> {
  const proxy = await TcpProxy.start({ port: Number(new URL(url).port) })
  closing.push(() => proxy.close())
  return { proxy, url: proxy.through(url) }
}

/** Within a short deadline a busy machine may not come to it at once. */
async function commitInTime(store: PostgresStore, write: Write): Promise<void> {
  const again = { ...write, idempotencyKey: randomUUID() }
  await expect.poll(() => store.commit([again])).toMatchObject([{ status: 'applied' }])
}

async function wholeLog(store: PostgresStore): Promise<Change[]> {
  const log: Change[] = []
  for (;;) {
    const { head, changes } = await store.changesSince(log.at(-1)?.revision ?? 0, 5_000)
    log.push(...changes)
    if ((log.at(-1)?.revision ?? 0) >= head) return log
  }
}

/** Commits one write after the other, each with a value of its own, and notes what it was told of each. */
async function writeUntil(store: PostgresStore, done: () => boolean) {
  const told = { acknowledged: [] as string[], refused: [] as string[], unknown: [] as string[] }
  for (let n = 0; !done(); n++) {
    const writes = Array.from(
      { length: 1 + (n % 7) },
      (_, item): Write => ({ op: 'put', key: `k${item}`, json: `${n}.${item}` }),
    )
    const values = writes.map((write) => (write as { json: string }).json)
    try {
      await store.commit(writes)
      told.acknowledged.push(...values)
    } catch (error) {
      const { code, details } = error as LiveKVError
      if (code === 'COMMIT_UNKNOWN' || details.outcome === 'unknown') told.unknown.push(...values)
      else told.refused.push(...values)
    }
  }
  return told
}

function check(
  log: readonly Change[],
  told: { acknowledged: string[]; refused: string[]; unknown: string[] },
): void {
  expect(log.map(({ revision }) => revision)).toEqual(log.map((_, index) => index + 1))
  const times = new Map<string, number>()
  for (const { json } of log) times.set(json as string, (times.get(json as string) ?? 0) + 1)
  expect(told.acknowledged.filter((value) => times.get(value) !== 1)).toEqual([])
  expect(told.refused.filter((value) => times.has(value))).toEqual([])
  expect(told.unknown.filter((value) => (times.get(value) ?? 0) > 1)).toEqual([])
}

describe('a commit whose answer is lost', () => {
  test('is settled by the fence, neither lost nor applied twice, while the line is cut again and again', async () => {
    const database = await createTestDatabase()
    const { proxy, url } = await proxied(database)
    const store = await open(url)
    let over = false
    const faults = (async () => {
      for (let n = 0; n < 45; n++) {
        await sleep(50 + Math.random() * 250)
        if (n % 3 === 0) proxy.cut()
        else if (n % 3 === 1) {
          proxy.stall('toClient')
          await sleep(Math.random() * 30)
          proxy.cut()
          proxy.heal()
        } else {
          proxy.blackHole()
          await sleep(Math.random() * 60)
          proxy.cut()
          proxy.heal()
        }
      }
      over = true
    })()
    const told = await writeUntil(store, () => over)
    await faults
    check(await wholeLog(await open(database)), told)
    expect(told.acknowledged.length).toBeGreaterThan(50)
    expect(told.unknown).toEqual([])
  })

  test('and that nobody can be asked about is COMMIT_UNKNOWN; the next one is not sent before that is settled', async () => {
    const database = await createTestDatabase()
    const { proxy, url } = await proxied(database)
    const store = await open(url, { commitDeadlineMs: 600 })
    const other = await open(database)
    await commitInTime(store, { op: 'put', key: 'a', json: '"before"' })
    proxy.stall('toClient')
    const lost = store.commit([{ op: 'increment', key: 'n', by: '1' }])
    await expect(lost).rejects.toMatchObject({ code: 'COMMIT_UNKNOWN' })
    // It did land: only its answer did not arrive.
    expect((await other.get(['n'])).entries.get('n')?.json).toBe('1')
    await expect(store.commit([{ op: 'increment', key: 'n', by: '1' }])).rejects.toMatchObject({
      code: 'STORE_FAILED',
      details: { outcome: 'not-applied' },
    })
    proxy.cut()
    proxy.heal()
    await commitInTime(store, { op: 'increment', key: 'n', by: '1' })
    expect((await other.get(['n'])).entries.get('n')?.json).toBe('2')
  })

  test('and that arrives only after the fence is refused', async () => {
    const database = await createTestDatabase()
    const { proxy, url } = await proxied(database)
    const store = await open(url, { commitDeadlineMs: 600 })
    await commitInTime(store, { op: 'put', key: 'a', json: '1' })
    proxy.stall('toServer')
    await expect(store.commit([{ op: 'increment', key: 'n', by: '1' }])).rejects.toThrow(LiveKVError)
    // The delayed statement goes on to the server now, and the fence behind it, in whatever order they arrive.
    proxy.heal()
    await commitInTime(store, { op: 'increment', key: 'm', by: '1' })
    await sleep(300)
    const log = await wholeLog(store)
    expect(log.filter(({ key }) => key === 'm')).toHaveLength(1)
    expect(log.filter(({ key }) => key === 'n').length).toBeLessThanOrEqual(1)
    expect(log.at(-1)?.key).toBe('m')
  })
})

describe('PostgreSQL', () => {
  test('restarted and crashed during commits: nothing acknowledged is missing, nothing is there twice', async () => {
    const server = await startPostgres()
    closing.push(() => server.stop())
    const store = await open(server.url)
    let over = false
    const faults = (async () => {
      for (const mode of ['fast', 'immediate', 'fast', 'immediate'] as const) {
        await sleep(300 + Math.random() * 500)
        await server.restart(mode)
      }
      await sleep(500)
      over = true
    })()
    const told = await writeUntil(store, () => over)
    await faults
    check(await wholeLog(store), told)
    expect(told.acknowledged.length).toBeGreaterThan(50)
  })
})

describe('a client that', () => {
  async function client(url: string): Promise<ChildProcess> {
    const child = fork(new URL('./support/stopped-client.ts', import.meta.url), [url], {
      execPath: process.execPath,
    })
    closing.push(async () => {
      child.kill('SIGKILL')
    })
    await once(child, 'message')
    return child
  }

  test('is stopped in the middle of batches of 5,000 does not hold the counter row', async () => {
    const database = await createTestDatabase()
    const store = await open(database)
    const child = await client(database)
    for (let n = 0; n < 12; n++) {
      await once(child, 'message')
      await sleep(Math.random() * 150)
      child.kill('SIGSTOP')
      // Commits while the other is stopped: were the row held, this would be COMMIT_UNKNOWN at its deadline.
      const [result] = await store.commit([{ op: 'put', key: 'mine', json: `${n}` }])
      expect(result?.status).toBe('applied')
      child.kill('SIGCONT')
    }
  })

  test('does not read its answers does not hold the counter row', async () => {
    const database = await createTestDatabase()
    const { proxy, url } = await proxied(database)
    const store = await open(database)
    const child = await client(url)
    for (let n = 0; n < 6; n++) {
      await once(child, 'message')
      await sleep(Math.random() * 150)
      proxy.stall(n % 2 ? 'toClient' : 'toServer')
      await sleep(200)
      const [result] = await store.commit([{ op: 'put', key: 'mine', json: `${n}` }])
      expect(result?.status).toBe('applied')
      proxy.heal()
    }
  })
})

describe('the log', () => {
  test('is cut off below its limit partition by partition; entries stay', async () => {
    const store = await open(await createTestDatabase(), { partitionSize: 50, maxChanges: 120 })
    await store.commit([{ op: 'put', key: 'old', json: '"kept"' }])
    for (let n = 0; n < 100; n++) {
      await store.commit([1, 2, 3, 4].map((item): Write => ({ op: 'put', key: `k${item}`, json: `${n}` })))
    }
    let error: LiveKVError | undefined
    while (error === undefined || Number(error.details.compactedThrough) < 250) {
      await sleep(100)
      error = await store.changesSince(0, 10).then(
        () => undefined,
        (thrown: LiveKVError) => thrown,
      )
    }
    expect(error.code).toBe('REVISION_COMPACTED')
    const floor = Number(error.details.compactedThrough)
    expect(floor % 50).toBe(0)
    expect(401 - floor).toBeGreaterThanOrEqual(120)
    const { changes, head } = await store.changesSince(floor, 5_000)
    expect(head).toBe(401)
    expect(changes.map(({ revision }) => revision)).toEqual(
      Array.from({ length: 401 - floor }, (_, n) => floor + n + 1),
    )
    const asked = { key: 'k1', by: 'revision', order: 'asc', limit: 10 } as const
    await expect(store.history({ ...asked, from: floor - 10 })).rejects.toMatchObject({
      code: 'REVISION_COMPACTED',
    })
    expect((await store.history({ ...asked, from: floor + 1 })).changes.length).toBe(10)
    expect((await store.get(['old'])).entries.get('old')).toMatchObject({ json: '"kept"', revision: 1 })
  })
})

describe('idempotency keys', () => {
  test('are remembered over one turn of the tables and forgotten after two', async () => {
    const url = await createTestDatabase()
    const store = await open(url)
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    closing.push(() => client.end())
    const turn = async () => {
      await client.query(`update store set token_slot_since = now() - interval '1 hour'`)
      await client.query('call livekv_rotate_tokens(60000)')
    }
    const write: Write = { op: 'increment', key: 'n', by: '1', idempotencyKey: 'once' }
    const value = async () => (await store.get(['n'])).entries.get('n')?.json
    await store.commit([write])
    await turn()
    await expect(store.commit([write])).resolves.toMatchObject([{ status: 'applied', repeated: true }])
    expect(await value()).toBe('1')
    await turn()
    await store.commit([write])
    expect(await value()).toBe('2')
    await client.query('call livekv_rotate_tokens(60000)')
    await expect(store.commit([write])).resolves.toMatchObject([{ repeated: true }])
  })
})
