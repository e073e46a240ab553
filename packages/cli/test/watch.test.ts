import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { TcpProxy } from '../../server/test/services/tcp-proxy.ts'
import { type Running, startCli } from './support/run-cli.ts'
import { freePort, ServerProcess } from './support/server-process.ts'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const WAIT = { timeout: 60_000 }

let server: ServerProcess
beforeAll(async () => {
  server = await ServerProcess.start()
})
afterAll(() => server.remove())

const running: Running[] = []
afterEach(() => {
  for (const { child } of running.splice(0)) child.kill('SIGKILL')
})

function watch(...args: string[]): Running {
  const watching = startCli(['watch', ...args], { url: server.url })
  running.push(watching)
  return watching
}

const lines = ({ printed }: Running) => printed.stdout.split('\n').slice(0, -1)
/** Without the first column, the time. */
const rows = (watching: Running) => lines(watching).map((line) => line.replace(/^\S+\t/, ''))

/** Ctrl-C. */
async function interrupt({ child, ended }: Running) {
  child.kill('SIGINT')
  return ended
}

test('the present values, then each change; deletes are shown as such; only what was asked for', async () => {
  await server.put('state.a', '18.930')
  await server.put('state.b', '{"x":\n 1.0}')
  await server.put('other', '1')
  const byPrefix = watch('--prefix', 'state.')
  const byKey = watch('state.b', 'state.c')
  const all = watch('--all')
  await expect.poll(() => rows(byPrefix), WAIT).toHaveLength(2)
  await expect.poll(() => rows(byKey), WAIT).toHaveLength(1)
  await expect.poll(() => rows(all), WAIT).toHaveLength(3)
  for (const write of [
    () => server.put('state.c', '5'),
    () => server.put('elsewhere', '6'),
    () => server.delete('state.b'),
    () => server.put('state.b', '"back"'),
    () => server.put('last', 'null'),
  ]) {
    const shown = lines(all).length
    await write()
    await expect.poll(() => lines(all), WAIT).toHaveLength(shown + 1)
  }
  await expect
    .poll(() => rows(byPrefix), WAIT)
    .toEqual([
      'state.a\t18.930',
      'state.b\t{"x":  1.0}',
      'state.c\t5',
      'state.b\t(deleted)',
      'state.b\t"back"',
    ])
  await expect
    .poll(() => rows(byKey), WAIT)
    .toEqual(['state.b\t{"x":  1.0}', 'state.c\t5', 'state.b\t(deleted)', 'state.b\t"back"'])
  expect(rows(all).slice(3)).toEqual([
    'state.c\t5',
    'elsewhere\t6',
    'state.b\t(deleted)',
    'state.b\t"back"',
    'last\tnull',
  ])
  for (const line of lines(all)) expect(line).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\t/)
  for (const watching of [byPrefix, byKey, all])
    expect(await interrupt(watching)).toMatchObject({
      code: 130,
      signal: null,
      stderr: 'livekv: Interrupted.\n',
    })
})

test('--json: a line each, values in the text they were written in', async () => {
  const values = [
    '18.930',
    '12345678901234567890.00',
    '-0',
    '1E5',
    '{"2": 1.0, "1": [ 2.50 ,{"value": 3.0}]}',
    '"\\u00e9\\/\\"value\\":1.0\u2028"',
    'null',
    '[]',
  ]
  await Promise.all(values.map((value, index) => server.put(`exact.${index}`, value)))
  const watching = watch('--prefix', 'exact.', '--json')
  await expect.poll(() => lines(watching), WAIT).toHaveLength(values.length)
  const state = lines(watching)
  for (const [index, value] of values.entries()) await server.put(`exact.${index}`, value)
  await server.delete('exact.0')
  await expect.poll(() => lines(watching), WAIT).toHaveLength(2 * values.length + 1)

  const changed = lines(watching).slice(values.length)
  for (const [index, value] of values.entries()) {
    const start = `{"op":"put","key":"exact.${index}","value":${value},"revision":`
    expect(state[index]?.slice(0, start.length)).toBe(start)
    expect(changed[index]?.slice(0, start.length)).toBe(start)
  }
  const { revision: written, updatedAt, time } = JSON.parse(await server.get('/api/v1/entries?key=exact.1'))
  expect(changed[1]).toMatch(
    new RegExp(`,"revision":${written},"updatedAt":"${updatedAt}","time":"${time}"}$`),
  )
  const { op, key, revision, ...rest } = JSON.parse(lines(watching).at(-1)!)
  expect({ op, key }).toEqual({ op: 'delete', key: 'exact.0' })
  expect(revision).toBe(await server.head())
  expect(Object.keys(rest)).toEqual(['updatedAt', 'time'])
  expect(JSON.parse((await interrupt(watching)).stderr)).toMatchObject({ code: 'INTERRUPTED' })
})

test('the server is killed and comes back: said on standard error, nothing lost, nothing backwards', async () => {
  const watching = watch('--prefix', 'count.', '--json')
  const human = watch('count.1')
  const write = async (from: number, to: number) => {
    for (let value = from; value < to; value++) await server.put(`count.${value % 2}`, String(value))
  }
  await write(0, 50)
  await expect.poll(() => watching.printed.stdout, WAIT).toContain('"value":49,')
  await expect.poll(() => rows(human).at(-1), WAIT).toBe('count.1\t49')
  await server.kill()
  await expect.poll(() => watching.printed.stderr, WAIT).toContain('"state":"offline"')
  await expect.poll(() => human.printed.stderr, WAIT).toContain('offline')
  await server.start()
  await write(50, 100)
  for (const last of ['"value":98,', '"value":99,'])
    await expect.poll(() => watching.printed.stdout, WAIT).toContain(last)
  await expect.poll(() => rows(human).at(-1), WAIT).toBe('count.1\t99')
  await expect.poll(() => human.printed.stderr, WAIT).toContain('live')

  const seen = lines(watching).map((line) => JSON.parse(line) as { key: string; value: number })
  for (const key of ['count.0', 'count.1']) {
    const values = seen.filter((change) => change.key === key).map(({ value }) => value)
    expect(values).toEqual(values.toSorted((a, b) => a - b))
    expect(new Set(values).size).toBe(values.length)
  }
  const ended = await interrupt(watching)
  const told = ended.stderr
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  const since = expect.stringMatching(/^\d{4}-\d\d-\d\dT/)
  expect(told).toEqual([
    { state: 'offline', since, reason: expect.any(String) },
    { state: 'live', since },
    { error: 'Interrupted.', code: 'INTERRUPTED' },
  ])
  expect((await interrupt(human)).stderr).toMatch(
    /^livekv: offline since \S+Z \(.+\); trying again\.\nlivekv: live again since \S+Z\.\nlivekv: Interrupted\.\n$/,
  )
})

test('what was deleted while the connection was down is told', async () => {
  const proxy = await TcpProxy.start({ port: server.port })
  await server.put('away', '1')
  const watching = startCli(['watch', 'away'], { url: proxy.through(server.url) })
  running.push(watching)
  await expect.poll(() => rows(watching), WAIT).toEqual(['away\t1'])
  await proxy.refuse()
  await server.delete('away')
  await proxy.listen()
  await expect.poll(() => rows(watching), WAIT).toEqual(['away\t1', 'away\t(deleted)'])
  expect((await interrupt(watching)).code).toBe(130)
  await proxy.close()
})

test('a reader that is slow gets the latest of each key; Ctrl-C does not wait for one that stopped', async () => {
  const size = 20_000
  const value = (number: number) => `"${String(number).padStart(size, '0')}"`
  await server.put('slow', value(0))
  const child = spawn(process.execPath, [MAIN, 'watch', 'slow'], {
    env: { LIVEKV_URL: server.url },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  // Its first line is there; not read.
  await once(child.stdout, 'readable')
  for (let number = 1; number <= 300; number++) await server.put('slow', value(number))
  let shown = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text
  })
  const numbers = () => shown.split('\n').flatMap((line) => /"0*(\d+)"$/.exec(line)?.[1] ?? [])
  await expect.poll(() => numbers().at(-1), WAIT).toBe('300')
  // What fits into the pipe's buffers, and the last.
  expect(numbers().length).toBeLessThan(150)

  child.stdout.pause()
  for (let number = 1; number <= 300; number++) await server.put('slow', value(number))
  child.kill('SIGINT')
  const [code] = await once(child, 'exit')
  expect(code).toBe(130)
})

test('--count ends it after so many lines, a closed pipe at its next one, both quietly', async () => {
  await server.put('end.a', '1')
  await server.put('end.b', '2')
  const counted = watch('--prefix', 'end.', '--count', '3')
  await expect.poll(() => rows(counted), WAIT).toHaveLength(2)
  await server.put('end.b', '3')
  expect(await counted.ended).toMatchObject({ code: 0, stderr: '' })
  expect(rows(counted)).toEqual(['end.a\t1', 'end.b\t2', 'end.b\t3'])

  const piped = spawn(
    'sh',
    ['-c', '("$0" "$1" watch --prefix end.; echo "code $?" >&2) | head -n 1', process.execPath, MAIN],
    { env: { PATH: process.env.PATH, LIVEKV_URL: server.url }, stdio: ['ignore', 'pipe', 'pipe'] },
  )
  const [stdout, stderr] = [text(piped.stdout), text(piped.stderr)]
  let isOver = false
  void stderr.then(() => {
    isOver = true
  })
  // Once `head` has gone, some of these is written to nobody. (The shell keeps its output open until all of it has ended.)
  for (let number = 0; !isOver; number++) await server.put('end.b', String(number))
  expect(await stdout).toMatch(/^\S+\tend\.a\t1\n$/)
  expect(await stderr).toBe('code 0\n')
})

test('no server: at once, with exit code 5; wrong usage: 2', async () => {
  const url = `http://127.0.0.1:${await freePort()}`
  const ended = await startCli(['watch', '--all'], { url }).ended
  expect(ended).toMatchObject({ code: 5, stdout: '' })
  expect(ended.stderr).toMatch(new RegExp(`^livekv: No server answers at ${url}.*npm start.*\n$`))
  for (const args of [
    [],
    ['a', '--all'],
    ['a', '--prefix', 'b'],
    ['--all', '--prefix', ''],
    ['a', '--count', '0'],
  ])
    expect(await watch(...args).ended).toMatchObject({ code: 2, stdout: '' })
})

test('a key the server refuses: its words and exit code 1', async () => {
  const ended = await watch('k'.repeat(600)).ended
  expect(ended).toMatchObject({ code: 1, stdout: '' })
  expect(ended.stderr).toContain('512')
})
