import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startCli } from './support/run-cli.ts'
import { ServerProcess } from './support/server-process.ts'

let server: ServerProcess
let directory: string
beforeAll(async () => {
  server = await ServerProcess.start()
  directory = await mkdtemp(join(tmpdir(), 'livekv-replay-'))
})
afterAll(async () => {
  await server.remove()
  await rm(directory, { recursive: true, force: true })
})

const livekv = (...args: string[]) => startCli(args, { url: server.url })

async function file(name: string, ...lines: string[]): Promise<string> {
  const path = join(directory, name)
  await writeFile(path, `${lines.join('\n')}\n`)
  return path
}

/** `value time at` of every change, in the order of the log. */
async function log(key: string): Promise<{ text: string; time: string; at: number }[]> {
  const { stdout } = await livekv('export', '--key', key).ended
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => {
      const { time, at } = JSON.parse(line) as { time: string; at: string }
      return { text: /"value":([^,]*)/.exec(line)![1]!, time, at: Date.parse(at) }
    })
}

const GOLD = ['Date,Price,Open', '2020-03-01,18.930,1', '2020-01-01,5,2', '2020-02-01,7.10,3']

test('rows are written in the order of their times, with their digits, as if they happened now', async () => {
  const path = await file('gold.csv', ...GOLD)
  const before = Date.now()
  const args = ['--key', 'gold', '--value', 'Price', '--time', 'Date', '--speed', '1000/s']
  const ended = await livekv('replay', path, ...args).ended
  expect(ended).toMatchObject({
    code: 0,
    stderr: '',
    stdout: `${path}: 3 rows replayed, 3 values written.\n`,
  })
  const written = await log('gold')
  expect(written.map(({ text }) => text)).toEqual(['5', '7.10', '18.930'])
  for (const { time, at } of written) {
    expect(Date.parse(time)).toBe(at)
    expect(at).toBeGreaterThanOrEqual(before)
  }
})

test('--keep-time gives them the times of the file; several columns are several keys', async () => {
  const path = await file('kept.csv', ...GOLD)
  const args = [
    '--key',
    'kept',
    '--values',
    'Price,Open',
    '--time',
    'Date',
    '--speed',
    '1000/s',
    '--keep-time',
  ]
  expect(JSON.parse((await livekv('replay', path, ...args, '--json').ended).stdout)).toEqual({
    rows: 3,
    applied: 6,
  })
  expect((await log('kept.Open')).map(({ text, time }) => `${time.slice(0, 10)} ${text}`)).toEqual([
    '2020-01-01 2',
    '2020-02-01 3',
    '2020-03-01 1',
  ])
})

test.each([
  ['1/s', 2000],
  ['1x', 2000],
])('--speed %s: no row before it is due', async (speed, totalMs) => {
  const path = await file(
    'slow.csv',
    'at,v',
    '2020-01-01T00:00:00Z,1',
    '2020-01-01T00:00:01Z,2',
    '2020-01-01T00:00:02Z,3',
  )
  const key = `slow.${speed}`
  const before = Date.now()
  expect(
    (await livekv('replay', path, '--key', key, '--value', 'v', '--time', 'at', '--speed', speed).ended).code,
  ).toBe(0)
  const written = await log(key)
  expect(written.map(({ text }) => text)).toEqual(['1', '2', '3'])
  expect(written[2]!.at).toBeGreaterThanOrEqual(before + totalMs)
})

test('a bad row, a missing file or a speed without times are named, and nothing is written', async () => {
  const path = await file('bad.csv', 'at,v', '2020-01-01,1', '2020-13-01,2')
  const bad = await livekv('replay', path, '--key', 'bad', '--value', 'v', '--time', 'at').ended
  expect(bad.code).toBe(1)
  expect(bad.stderr).toMatch(/line 3: the time "2020-13-01" does not exist.*1 of 2 rows/s)
  expect((await livekv('get', 'bad').ended).code).toBe(3)
  expect((await livekv('replay', 'none.csv', '--key', 'k', '--value', 'v').ended).stderr).toContain(
    'does not exist',
  )
  for (const wrong of [['--speed', '3x'], ['--keep-time'], ['--speed', 'fast']])
    expect((await livekv('replay', path, '--key', 'k', '--value', 'v', ...wrong).ended).code).toBe(2)
})

test('Ctrl-C ends it between two rows', async () => {
  const path = await file('long.csv', 'v', '1', '2')
  const running = livekv('replay', path, '--key', 'long', '--value', 'v', '--speed', '0.01/s')
  while ((await livekv('get', 'long').ended).code !== 0) await sleep(20)
  running.child.kill('SIGINT')
  expect(await running.ended).toMatchObject({ code: 130, stdout: '', stderr: 'livekv: Interrupted.\n' })
})
