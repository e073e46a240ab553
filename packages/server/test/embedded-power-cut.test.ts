import { execFile } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { open, scratchDirectory } from './embedded/client.ts'
import { Disk } from './power-cut/disk.ts'
import { readJournal } from './power-cut/journal.ts'
import { openStoreOn, verifyStore } from './power-cut/store.ts'

const CUTS = 50
const ROUNDS = 10
const CHECKS_AT_ONCE = 2
const here = import.meta.dirname

let scratch: string
let base: string

beforeAll(async () => {
  scratch = scratchDirectory()
  base = path.join(scratch, 'base')
  const embedded = await open(base)
  await (await openStoreOn(embedded)).close()
  await embedded.close()
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
      `${ROUNDS}`,
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
      if (record.op === 'acknowledged') acknowledged = record.revision
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

async function whatIsLost(dataDir: string, acknowledged: number): Promise<string | undefined> {
  try {
    const embedded = await open(dataDir)
    try {
      const store = await openStoreOn(embedded)
      const wrong = await verifyStore(store, acknowledged)
      await store.close()
      return wrong
    } finally {
      await embedded.close()
    }
  } catch (error) {
    return String(error)
  }
}
