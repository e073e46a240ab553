import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { clusterDir } from '../src/store/data-directory.ts'
import type { EmbeddedDatabase } from '../src/store/embedded.ts'
import { connect, open, ROWS_SCHEMA, scratchDirectory, verifyRows } from './embedded/client.ts'

let scratch: string
let dataDir: string
const databases: EmbeddedDatabase[] = []

beforeAll(async () => {
  scratch = scratchDirectory()
  const database = await open(path.join(scratch, 'made'))
  await database.close()
})

afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }))

beforeEach(() => {
  dataDir = path.join(scratch, 'data')
  fs.cpSync(path.join(scratch, 'made'), dataDir, { recursive: true })
})

afterEach(async () => {
  await Promise.all(databases.splice(0).map((database) => database.close()))
  fs.rmSync(dataDir, { recursive: true, force: true })
})

async function opened(dir = dataDir): Promise<EmbeddedDatabase> {
  const database = await open(dir)
  databases.push(database)
  return database
}

const startWriter = (dir: string): ChildProcess =>
  spawn(process.execPath, [path.join(import.meta.dirname, 'embedded/writer.ts'), dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_OPTIONS: '' },
  })

describe('session', () => {
  test('speaks the protocol to pg, and goes on after an error', async () => {
    const database = await opened()
    expect(database.description).toBe(`PostgreSQL 18.6 (embedded in ${dataDir})`)
    const client = await connect(database)
    await expect(client.query('selec')).rejects.toMatchObject({ code: '42601' })
    await expect(client.query('select 1 / $1::int', [0])).rejects.toMatchObject({ code: '22012' })
    for (const n of [1, 2, 3]) {
      const text = 'select $1::int * 2 as n'
      expect((await client.query({ name: `double${n}`, text, values: [n] })).rows).toEqual([{ n: n * 2 }])
    }
    const large = await client.query('select repeat($1, 3000000) as text', ['é'])
    expect(large.rows[0].text).toBe('é'.repeat(3_000_000))
    await client.query('create table two (n int)')
    await client.query(
      'create procedure two_commits() language plpgsql as $$ begin insert into two values (1); commit; insert into two values (2); end $$',
    )
    await client.query('call two_commits()')
    expect((await client.query('select n from two order by n')).rows).toEqual([{ n: 1 }, { n: 2 }])
  })

  test('a new session finds nothing of the one before', async () => {
    const database = await opened()
    const first = await connect(database)
    await first.query('create table t (n int)')
    await first.query({ name: 'same', text: 'select 1 as n', values: [] })
    await first.query("set application_name = 'first'")
    await first.query('begin')
    await first.query('insert into t values (1)')
    await first.end()
    const second = await connect(database)
    expect((await second.query({ name: 'same', text: 'select 2 as n', values: [] })).rows).toEqual([{ n: 2 }])
    expect((await second.query('select count(*)::int as n from t')).rows).toEqual([{ n: 0 }])
    expect((await second.query('show application_name')).rows).toEqual([{ application_name: '' }])
    // One that did not say goodbye is cut off, and its transaction undone.
    await second.query('begin')
    await second.query('insert into t values (1)')
    const third = await connect(database)
    await expect(second.query('commit')).rejects.toThrow()
    expect((await third.query('select count(*)::int as n from t')).rows).toEqual([{ n: 0 }])
  })

  test('close keeps everything and leaves nothing to replay', async () => {
    const database = await opened()
    const client = await connect(database)
    await client.query(ROWS_SCHEMA)
    await client.query('select append_rows(1000)')
    await client.end()
    await database.close()
    const again = await opened()
    expect(await verifyRows(await connect(again), 1000)).toBeUndefined()
    await expect(connect(database)).rejects.toThrow(/closed/)
  })
})

describe('directory', () => {
  test('a second process is refused, also the same one; a lock left by SIGKILL is not in the way', async () => {
    const writer = startWriter(dataDir)
    await once(createInterface(writer.stdout!), 'line')
    const refused = new RegExp(`${dataDir} is in use by process ${writer.pid}.*DATA_DIR`)
    await expect(open(dataDir)).rejects.toThrow(refused)
    await expect(open(dataDir)).rejects.toMatchObject({ code: 'STORE_FAILED' })
    writer.kill('SIGKILL')
    await once(writer, 'exit')
    expect(fs.existsSync(path.join(dataDir, 'livekv.pid'))).toBe(true)
    await opened()
    await expect(open(dataDir)).rejects.toThrow(`in use by process ${process.pid}`)
  })

  test('of ten that open at once, one gets it', async () => {
    const results = await Promise.allSettled(Array.from({ length: 10 }, () => opened()))
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })

  test('one that is not ours is left alone', async () => {
    fs.rmSync(dataDir, { recursive: true })
    fs.mkdirSync(dataDir)
    fs.writeFileSync(path.join(dataDir, 'thesis.txt'), 'mine')
    await expect(open(dataDir)).rejects.toThrow(/"thesis.txt" and was not made by LiveKV. Set DATA_DIR/)
    expect(fs.readdirSync(dataDir)).toEqual(['thesis.txt'])
  })

  test('one of another version is refused with the remedy, and can be opened once it fits', async () => {
    const file = path.join(clusterDir(dataDir), 'PG_VERSION')
    const version = fs.readFileSync(file, 'utf8')
    fs.writeFileSync(file, '17\n')
    await expect(open(dataDir)).rejects.toThrow(
      /PostgreSQL 17; this one is format 1, PostgreSQL 18.*livekv export/,
    )
    fs.writeFileSync(file, version)
    const marker = path.join(dataDir, 'livekv.json')
    const text = fs.readFileSync(marker, 'utf8')
    fs.writeFileSync(marker, text.replace('"format":1', '"format":2'))
    await expect(open(dataDir)).rejects.toThrow(/another version \(format 2/)
    fs.writeFileSync(marker, text)
    await opened()
  })

  test('one whose making was cut short is made anew', async () => {
    const marker = path.join(dataDir, 'livekv.json')
    fs.writeFileSync(marker, fs.readFileSync(marker, 'utf8').replace('"complete":true', '"complete":false'))
    fs.rmSync(path.join(clusterDir(dataDir), 'global'), { recursive: true })
    const client = await connect(await opened())
    expect((await client.query('select 1 as n')).rows).toEqual([{ n: 1 }])
  })

  test('a damaged cluster is an error that says so', async () => {
    fs.rmSync(path.join(clusterDir(dataDir), 'global/pg_control'))
    await expect(open(dataDir)).rejects.toThrow(/did not start.*pg_control/)
    await expect(open(dataDir)).rejects.toMatchObject({ code: 'STORE_FAILED' })
  })
})

test('killed under load five times, nothing acknowledged is lost', { timeout: 300_000 }, async () => {
  const database = await open(dataDir)
  const client = await connect(database)
  await client.query(ROWS_SCHEMA)
  await database.close()
  for (let round = 0; round < 5; round++) {
    const writer = startWriter(dataDir)
    let acknowledged = 0
    let lines = 0
    const killAfter = 50 + Math.floor(Math.random() * 300)
    for await (const line of createInterface(writer.stdout!)) {
      if (line !== 'ready') acknowledged = Number(line)
      if (++lines === killAfter) writer.kill('SIGKILL')
    }
    expect(lines).toBeGreaterThanOrEqual(killAfter)
    const after = await open(dataDir)
    expect(await verifyRows(await connect(after), acknowledged)).toBeUndefined()
    await after.close()
  }
})
