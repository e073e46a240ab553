import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startCli } from './support/run-cli.ts'
import { freePort, ServerProcess } from './support/server-process.ts'

let server: ServerProcess
beforeAll(async () => {
  server = await ServerProcess.start()
})
afterAll(() => server.remove())

const livekv = (...args: string[]) => startCli(args, { url: server.url }).ended

describe('put and get', () => {
  test.each([
    ['18.930', '18.930'],
    ['-5.0', '-5.0'],
    ['1e5', '1e5'],
    ['{"b": 1.0, "a": [ 2 ]}', '{"b": 1.0, "a": [ 2 ]}'],
    ['null', 'null'],
    ['closed today', '"closed today"'],
    ['01234', '"01234"'],
  ])('%s comes back as %s', async (given, expected) => {
    const put = await livekv('put', 'digits', given)
    expect(put).toMatchObject({ code: 0, stderr: '' })
    expect(await livekv('get', 'digits')).toMatchObject({ code: 0, stdout: `${expected}\n` })
    const entry = await livekv('get', 'digits', '--json')
    expect(entry.stdout).toContain(`"value":${expected},`)
  })

  test('--string, standard input and odd keys', async () => {
    expect((await livekv('put', 'zip', '12345', '--string')).code).toBe(0)
    expect((await livekv('get', 'zip')).stdout).toBe('"12345"\n')
    const put = await startCli(['put', 'a/b &?=%2F 🙂', '-'], { url: server.url, input: '{"x": 1.50}\n' })
      .ended
    expect(put.code).toBe(0)
    expect((await livekv('get', 'a/b &?=%2F 🙂')).stdout).toBe('{"x": 1.50}\n')
  })

  test('time and expiry', async () => {
    await livekv('put', 'dated', '1', '--time', 'Jan 31 2000', '--ttl', '3600')
    const entry = JSON.parse((await livekv('get', 'dated', '--json')).stdout)
    expect(entry.time).toBe('2000-01-31T00:00:00.000Z')
    expect(Date.parse(entry.expiresAt) - Date.parse(entry.updatedAt)).toBe(3_600_000)
  })
})

describe('exit codes', () => {
  test('3: no such key', async () => {
    const got = await livekv('get', 'nothing.here')
    expect(got).toMatchObject({ code: 3, stdout: '' })
    expect(got.stderr).toContain('nothing.here')
    expect((await livekv('delete', 'nothing.here')).code).toBe(3)
    expect((await livekv('export', '--key', 'nothing.here')).code).toBe(3)
  })

  test('4: conflict', async () => {
    const { revision } = JSON.parse((await livekv('put', 'once', '1', '--if-absent', '--json')).stdout)
    expect((await livekv('put', 'once', '2', '--if-absent')).code).toBe(4)
    expect((await livekv('put', 'once', '2', '--if-revision', String(revision - 1))).code).toBe(4)
    expect((await livekv('delete', 'once', '--if-revision', String(revision + 1))).code).toBe(4)
    expect((await livekv('get', 'once')).stdout).toBe('1\n')
    expect((await livekv('delete', 'once', '--if-revision', String(revision))).code).toBe(0)
  })

  test.each([
    ['get'],
    ['get', 'a', 'b'],
    ['get', 'a', '--nope'],
    ['frobnicate'],
    [],
    ['list', '--limit', '0'],
    ['history', 'a', '--from', '3/4/2000'],
    ['get', 'a', '--url', 'ftp://x'],
    ['put', 'a', '1', '--if-absent', '--if-revision', '1'],
    ['import', 'file.txt'],
    ['export', '--key', 'a', '--prefix', 'b'],
  ])('2: livekv %s %s %s %s', async (...args) => {
    const ended = await livekv(...args.filter((arg) => arg !== undefined))
    expect(ended).toMatchObject({ code: 2, stdout: '' })
    expect(ended.stderr).not.toBe('')
  })

  test('5: no server; the message names the address and the remedy, in one line', async () => {
    const url = `http://127.0.0.1:${await freePort()}`
    const ended = await startCli(['get', 'a'], { url }).ended
    expect(ended.code).toBe(5)
    expect(ended.stderr).toMatch(new RegExp(`^livekv: .*${url}.*npm start.*\n$`))
  })

  test('1: what the server refuses; with --json the error is JSON', async () => {
    const ended = await livekv('put', 'x'.repeat(600), '1', '--json')
    expect(ended.code).toBe(1)
    expect(JSON.parse(ended.stderr)).toMatchObject({ code: 'INVALID_KEY' })
    expect(JSON.parse((await livekv('get', '--json')).stderr)).toMatchObject({ code: 'USAGE' })
  })

  test('0: help and version', async () => {
    for (const command of [[], ...COMMANDS.map((name) => [name])]) {
      const help = await livekv(...command, '--help')
      expect(help).toMatchObject({ code: 0, stderr: '' })
      expect(help.stdout).toContain('Examples:')
    }
    expect((await livekv('--version')).stdout).toBe('0.1.0\n')
  })
})

const COMMANDS = ['serve', 'put', 'get', 'delete', 'watch', 'list', 'history', 'import', 'replay', 'export']

describe('list and history', () => {
  test('keys in order, over pages, by prefix', async () => {
    const keys = Array.from({ length: 1200 }, (_, i) => `page.${String(i).padStart(4, '0')}`)
    const response = await fetch(`${server.url}/api/v1/batch`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ writes: keys.map((key) => ({ op: 'put', key, value: 1 })) }),
    })
    expect(response.status).toBe(200)
    const all = await livekv('list', 'page.')
    expect(all.stdout).toBe(keys.map((key) => `${key}\t1\n`).join(''))
    const json = await livekv('list', 'page.', '--limit', '1001', '--json')
    expect(
      json.stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).key),
    ).toEqual(keys.slice(0, 1001))
  })

  test('history goes by time, in a range, newest first, deletes too', async () => {
    await livekv('put', 'past', '2.0', '--time', '2002-01-01')
    await livekv('put', 'past', '1.0', '--time', '2001-01-01')
    await livekv('put', 'past', '3.0', '--time', '2003-01-01')
    const columns = async (...args: string[]) =>
      (await livekv('history', 'past', ...args)).stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.split('\t').slice(0, 3).join(' '))
    const [first, second, third] = ['2001', '2002', '2003'].map(
      (y, i) => `${y}-01-01T00:00:00.000Z put ${i + 1}.0`,
    )
    expect(await columns()).toEqual([first, second, third])
    expect(await columns('--newest', '--limit', '2')).toEqual([third, second])
    expect(await columns('--from', '2002-01-01', '--to', '2003-01-01')).toEqual([second])
    await livekv('delete', 'past')
    expect(
      JSON.parse((await livekv('history', 'past', '--newest', '--limit', '1', '--json')).stdout).op,
    ).toBe('delete')
  })
})
