import { execFileSync, spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { Worker } from 'node:worker_threads'
import type { LiveKVError } from '@livekv/protocol'
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { connect, open, ROWS_SCHEMA, scratchDirectory, verifyRows } from './embedded/client.ts'

let scratch: string

beforeEach(() => {
  scratch = scratchDirectory()
})

afterEach(() => fs.rmSync(scratch, { recursive: true, force: true }))

test('the thread dies: everything pending is rejected, and the directory can be opened again', {
  timeout: 120_000,
}, async () => {
  const dataDir = path.join(scratch, 'data')
  const workers: Worker[] = []
  const on = vi.spyOn(Worker.prototype, 'on').mockImplementation(function (this: Worker, ...args) {
    if (!workers.includes(this)) workers.push(this)
    return Object.getPrototypeOf(Worker.prototype).on.apply(this, args)
  })
  const database = await open(dataDir)
  on.mockRestore()
  const failures: LiveKVError[] = []
  database.onFailure((error) => failures.push(error))
  const client = await connect(database)
  await client.query(ROWS_SCHEMA)
  const pending = Promise.allSettled([client.query('select append_rows(100000)')])
  await workers[0]!.terminate()
  expect(await pending).toEqual([
    { status: 'rejected', reason: expect.objectContaining({ code: 'STORE_FAILED' }) },
  ])
  expect(failures).toHaveLength(1)
  expect(failures[0]!.message).toMatch(/its thread ended/)
  await expect(connect(database)).rejects.toMatchObject({ code: 'STORE_FAILED' })
  database.onFailure((error) => failures.push(error))
  expect(failures[1]).toBe(failures[0])
  await database.close()
  const again = await open(dataDir)
  expect(await verifyRows(await connect(again), 0)).toBeUndefined()
  await again.close()
})

test('an fsync fails: the writer is told, and what was acknowledged is there once', {
  timeout: 180_000,
}, async () => {
  const dataDir = path.join(scratch, 'data')
  const database = await open(dataDir)
  await (await connect(database)).query(ROWS_SCHEMA)
  await database.close()
  const file = (name: string) => path.join(import.meta.dirname, 'embedded', name)
  const args = ['--import', file('failing-fsync.ts'), file('writer.ts'), dataDir]
  const { acknowledged, words } = await listen(args)
  expect(words).toEqual([
    'ready',
    expect.stringMatching(/^failed STORE_FAILED .*fsync of .*EIO.*disk/),
    expect.stringMatching(/^rejected STORE_FAILED .*EIO/),
  ])
  expect(acknowledged).toBeGreaterThan(0)
  const again = await open(dataDir)
  expect(await verifyRows(await connect(again), acknowledged)).toBeUndefined()
  await again.close()
})

test('the disk is full: the writer is told, and with room everything acknowledged is there once', {
  timeout: 180_000,
}, async ({ skip }) => {
  const dataDir = path.join(scratch, 'mount')
  fs.mkdirSync(dataDir)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=120m', 'tmpfs', dataDir], { stdio: 'pipe' })
  } catch (error) {
    if (process.env.CI === 'true') throw error
    return skip(`a small tmpfs cannot be mounted: ${(error as Error).message}`)
  }
  try {
    const database = await open(dataDir)
    await (await connect(database)).query(ROWS_SCHEMA)
    await database.close()
    const writer = path.join(import.meta.dirname, 'embedded/writer.ts')
    const { acknowledged, words } = await listen([writer, dataDir])
    expect(words).toEqual([
      'ready',
      expect.stringMatching(/^failed STORE_FAILED .*write of .*ENOSPC.*room/),
      expect.stringMatching(/^rejected STORE_FAILED .*ENOSPC/),
    ])
    expect(acknowledged).toBeGreaterThan(0)
    execFileSync('mount', ['-o', 'remount,size=400m', dataDir])
    const again = await open(dataDir)
    const client = await connect(again)
    expect(await verifyRows(client, acknowledged)).toBeUndefined()
    await client.query('select append_rows(10)')
    await again.close()
  } finally {
    execFileSync('umount', [dataDir])
  }
})

/** What a writer acknowledged, and what else it said until it ended. */
async function listen(args: readonly string[]): Promise<{ acknowledged: number; words: string[] }> {
  const writer = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_OPTIONS: '' },
  })
  // Also where it does not end by itself.
  onTestFinished(() => void writer.kill('SIGKILL'))
  let acknowledged = 0
  const words: string[] = []
  for await (const line of createInterface(writer.stdout!)) {
    if (/^\d+$/.test(line)) acknowledged = Number(line)
    else words.push(line)
  }
  return { acknowledged, words }
}
