/** What a server has processes for and a single session does not: the log that is cut off, and dead rows that go. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { EmbeddedEngine } from '../src/store/embedded-engine.ts'
import type { ToMain } from '../src/store/embedded-messages.ts'
import { connect, open } from './embedded/client.ts'

const MIB = 1024 * 1024
/** Between checkpoints, at most. */
const LOG_MAX_BYTES = 256 * MIB
const WRITE_BYTES = 16 * MIB

let dataDir: string
beforeEach(() => {
  // On disk: where there is room for so much log.
  dataDir = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'livekv-test-')), 'data')
})
afterEach(() => {
  vi.restoreAllMocks()
  fs.rmSync(path.dirname(dataDir), { recursive: true, force: true })
})

/** Bytes of log that a start after a crash would read. */
const TO_REPLAY = `select (pg_current_wal_insert_lsn() - redo_lsn)::float8 as bytes from pg_control_checkpoint()`
/** So many bytes more of log, and nothing else. */
const logged = (bytes: number) => `select pg_logical_emit_message(true, 'test', repeat('x', ${bytes}))`

test('under load the log is cut off by checkpoints; in a quiet spell sooner', async () => {
  const database = await open(dataDir)
  try {
    const client = await connect(database)
    const toReplay = async () => Number((await client.query(TO_REPLAY)).rows[0].bytes)
    const before = database.stats.checkpoints
    for (let written = 0; written <= LOG_MAX_BYTES; written += WRITE_BYTES) {
      await client.query(logged(WRITE_BYTES))
      // One statement after the other: no quiet spell comes about.
    }
    expect(await toReplay()).toBeLessThan(LOG_MAX_BYTES)
    expect(database.stats.checkpoints).toBeGreaterThan(before)

    await client.query(logged(WRITE_BYTES))
    await expect.poll(toReplay).toBeLessThan(MIB)
  } finally {
    await database.close()
  }
})

test('a table that is half dead is vacuumed', async () => {
  fs.mkdirSync(dataDir)
  const told: Exclude<ToMain, Uint8Array>[] = []
  const engine = await EmbeddedEngine.open(dataDir, {
    post: (message) => {
      if (!(message instanceof Uint8Array)) told.push(message)
    },
    fail: (what, error) => {
      throw new Error(what, { cause: error })
    },
  })
  try {
    engine.query('create table busy (n int) with (fillfactor = 100)')
    engine.query('insert into busy select generate_series(1, 5000)')
    for (let round = 0; round < 2; round++) engine.query('update busy set n = n + 1')
    engine.query('select pg_stat_force_next_flush()')
    const counts = () =>
      engine.query(`select vacuum_count, n_dead_tup from pg_stat_user_tables where relname = 'busy'`).rows[0]
    expect(counts()).toEqual(['0', '10000'])
    engine.whenIdle()
    // It looks every so often.
    const now = performance.now()
    vi.spyOn(performance, 'now').mockImplementation(() => now + 60_000)
    engine.whenIdle()
    expect(told.filter((message) => message.type === 'maintenance')).toContainEqual(
      expect.objectContaining({ statement: expect.stringMatching(/^vacuum .*busy$/) }),
    )
    expect(counts()).toEqual(['1', '0'])
  } finally {
    engine.close()
  }
})
