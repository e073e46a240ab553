import { execFile } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import type pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connect, open, scratchDirectory } from './embedded/client.ts'
import { Disk } from './power-cut/disk.ts'
import { readJournal } from './power-cut/journal.ts'

const CUTS = 50
const COMMITS = 400
const CHECKS_AT_ONCE = 2
const here = import.meta.dirname

let scratch: string
let base: string

beforeAll(async () => {
  scratch = scratchDirectory()
  base = path.join(scratch, 'base')
  await withClient(base, async (client) => {
    await client.query(`
      create table rows (id bigint primary key, text text not null) partition by range (id);
      create table counter (id int primary key, last bigint not null);
      insert into counter values (1, 0);
      create function append_rows(first bigint, count int) returns void language plpgsql as $$ begin
        insert into rows select i, repeat(md5(i::text), 8) from generate_series(first, first + count - 1) i;
        update counter set last = first + count - 1 where id = 1;
      end $$`)
  })
}, 60_000)

afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }))

test(`nothing acknowledged is lost in ${CUTS} power cuts`, { timeout: 600_000 }, async () => {
  const cuts = await cutPower({ cuts: CUTS, name: 'synced', env: {} })
  expect(cuts.filter(({ lost }) => lost !== undefined)).toEqual([])
  // Not a run in which nothing was at stake.
  expect(Math.max(...cuts.map(({ acknowledged }) => acknowledged))).toBeGreaterThan(500)
})

test('without fsync the same cuts lose acknowledged rows', { timeout: 300_000 }, async () => {
  const cuts = await cutPower({ cuts: 6, name: 'unsynced', env: { POWER_CUT_NO_FSYNC: '1' } })
  const atStake = cuts.filter(({ acknowledged }) => acknowledged > 0)
  expect(atStake.length).toBeGreaterThan(0)
  expect(atStake.filter(({ lost }) => lost === undefined)).toEqual([])
})

interface Cut {
  at: number
  acknowledged: number
  lost: string | undefined
}

async function cutPower(options: {
  cuts: number
  name: string
  env: Record<string, string>
}): Promise<Cut[]> {
  const dir = path.join(scratch, options.name)
  const journal = path.join(scratch, `${options.name}.journal`)
  fs.cpSync(base, dir, { recursive: true })
  await promisify(execFile)(
    process.execPath,
    [
      '--import',
      path.join(here, 'power-cut/recorder.ts'),
      path.join(here, 'power-cut/writer.ts'),
      dir,
      `${COMMITS}`,
    ],
    {
      env: {
        ...process.env,
        ...options.env,
        NODE_OPTIONS: '',
        POWER_CUT_DIR: dir,
        POWER_CUT_JOURNAL: journal,
      },
    },
  )
  const records = readJournal(journal)
  const places = Array.from({ length: options.cuts }, () => Math.floor(Math.random() * records.length))
  places.sort((a, b) => a - b)

  const disk = new Disk(base)
  const results: Cut[] = []
  const checks = new Set<Promise<unknown>>()
  let applied = 0
  let acknowledged = 0
  for (const [index, at] of places.entries()) {
    for (; applied < at; applied++) {
      const { record, payload } = records[applied]!
      if (record.op === 'acknowledged') acknowledged = record.upTo
      else disk.apply(record, payload)
    }
    const left = path.join(scratch, `${options.name}-${index}`)
    disk.restore(left, index % 2 === 0 ? undefined : () => Math.random() < 0.5)
    const cut: Cut = { at, acknowledged, lost: undefined }
    results.push(cut)
    if (checks.size >= CHECKS_AT_ONCE) await Promise.race(checks)
    const check = whatIsLost(left, acknowledged).then((lost) => {
      cut.lost = lost
      checks.delete(check)
      fs.rmSync(left, { recursive: true })
    })
    checks.add(check)
  }
  await Promise.all(checks)
  return results
}

/** Undefined when all is there, and nothing torn. */
async function whatIsLost(dir: string, acknowledged: number): Promise<string | undefined> {
  try {
    return await withClient(dir, async (client) => {
      const { rows } = await client.query(`select count(*)::int, coalesce(max(id), 0)::int as last,
        (select last::int from counter) as counter,
        count(*) filter (where text <> repeat(md5(id::text), 8))::int as torn from rows`)
      const { count, last, counter, torn } = rows[0]
      if (last >= acknowledged && count === last && counter === last && torn === 0) return undefined
      return `acknowledged ${acknowledged}, found ${JSON.stringify(rows[0])}`
    })
  } catch (error) {
    return String(error)
  }
}

async function withClient<T>(dataDir: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const database = await open(dataDir)
  try {
    return await use(await connect(database))
  } finally {
    await database.close()
  }
}
