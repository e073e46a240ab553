import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startCli } from './support/run-cli.ts'
import { ServerProcess } from './support/server-process.ts'

const data = (name: string) => fileURLToPath(new URL(`data/${name}`, import.meta.url))

let first: ServerProcess
let second: ServerProcess
let directory: string
beforeAll(async () => {
  ;[first, second] = await Promise.all([ServerProcess.start(), ServerProcess.start()])
  directory = await mkdtemp(join(tmpdir(), 'livekv-cli-files-'))
})
afterAll(async () => {
  await Promise.all([first.remove(), second.remove()])
  await rm(directory, { recursive: true, force: true })
})

const at = (server: ServerProcess, ...args: string[]) => startCli(args, { url: server.url }).ended
const livekv = (...args: string[]) => at(first, ...args)

async function file(name: string, text: string): Promise<string> {
  const path = join(directory, name)
  await writeFile(path, text)
  return path
}

/** `time value` of every change, by time. */
async function series(key: string): Promise<string[]> {
  const { stdout } = await livekv('history', key)
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'))
    .map(([time, , value]) => `${time!.slice(0, 10)} ${value}`)
}

async function csvLines(name: string): Promise<string[][]> {
  return (await readFile(data(name), 'utf8'))
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => line.split(','))
}

describe('CSV', () => {
  test('one column: every row with its date and its digits', async () => {
    const ended = await livekv(
      'import',
      data('gold.csv'),
      '--key',
      'gold',
      '--value',
      'Price',
      '--time',
      'Date',
    )
    expect(ended).toMatchObject({ code: 0, stderr: '' })
    expect(ended.stdout).toContain('2322 rows, 2322 values written')
    const rows = await csvLines('gold.csv')
    expect(await series('gold')).toEqual(rows.map(([date, price]) => `${date} ${price}`))
    expect((await livekv('get', 'gold')).stdout).toBe(`${rows.at(-1)![1]}\n`)
  })

  test('several columns: a key for each', async () => {
    const ended = await livekv(
      ...[
        'import',
        data('sp500.csv'),
        '--key',
        'sp500',
        '--values',
        'open,high,low,close,volume',
        '--time',
        'date',
        '--json',
      ],
    )
    expect(JSON.parse(ended.stdout)).toMatchObject({ rows: 1000, applied: 5000, skipped: 0 })
    const rows = await csvLines('sp500.csv')
    expect(await series('sp500.open')).toEqual(rows.map((row) => `${row[0]} ${row[1]}`))
    expect(await series('sp500.volume')).toEqual(rows.map((row) => `${row[0]} ${row[6]}`))
  })

  test('a column of keys; "Jan 1 2000" is the same day in any zone of the machine', async () => {
    const args = ['--key-column', 'symbol', '--key-prefix', 'stock.', '--value', 'price', '--time', 'date']
    expect((await livekv('import', data('stocks.csv'), ...args)).code).toBe(0)
    const rows = (await csvLines('stocks.csv')).filter(([symbol]) => symbol === 'IBM')
    expect(rows[0]![1]).toBe('Jan 1 2000')
    expect(await series('stock.IBM')).toEqual(
      rows.map(([, date, price]) => `${new Date(`${date} UTC`).toISOString().slice(0, 10)} ${price}`),
    )
  })

  test('the same import again writes nothing; --again does', async () => {
    const args = [
      'import',
      data('gold.csv'),
      '--key',
      'twice',
      '--value',
      'Price',
      '--time',
      'Date',
      '--json',
    ]
    expect(JSON.parse((await livekv(...args)).stdout)).toMatchObject({ applied: 2322, repeated: 0 })
    expect(JSON.parse((await livekv(...args)).stdout)).toMatchObject({ applied: 0, repeated: 2322 })
    expect(await series('twice')).toHaveLength(2322)
    expect(JSON.parse((await livekv(...args, '--again')).stdout)).toMatchObject({
      applied: 2322,
      repeated: 0,
    })
    expect(await series('twice')).toHaveLength(4644)
  })

  test('bad rows are named, and nothing is written; --skip-bad leaves them out', async () => {
    const path = await file(
      'bad.csv',
      'date,price\n2000-01-01,1.0\n2000-01-02,"2,345.6"\n946857600,3.0\n2000-01-04,4.0,x\n2000-01-05,\n2000-01-06,6.0\n',
    )
    const args = ['import', path, '--key', 'bad', '--value', 'price', '--time', 'date']
    const refused = await livekv(...args)
    expect(refused).toMatchObject({ code: 1, stdout: '' })
    const lines = refused.stderr.trimEnd().split('\n')
    expect(lines[0]).toMatch(/line 3: .*"2,345\.6".*2345\.6/)
    expect(lines[1]).toMatch(/line 4: .*"946857600".*--time-format/)
    expect(lines[2]).toMatch(/line 5: .*3 cells/)
    expect(lines[3]).toMatch(/line 6: .*empty/)
    expect(lines[4]).toContain('nothing was written')
    expect((await livekv('get', 'bad')).code).toBe(3)

    const skipped = await livekv(...args, '--skip-bad', '--json')
    expect(skipped.code).toBe(0)
    expect(JSON.parse(skipped.stdout)).toMatchObject({ rows: 2, applied: 2, skipped: 4 })
    expect(await series('bad')).toEqual(['2000-01-01 1.0', '2000-01-06 6.0'])
  })

  test('a missing column, a missing mapping, a file that is no UTF-8', async () => {
    const wrong = await livekv('import', data('gold.csv'), '--key', 'x', '--value', 'price')
    expect(wrong.code).toBe(2)
    expect(wrong.stderr).toContain('"Date", "Price"')
    expect((await livekv('import', data('gold.csv'))).code).toBe(2)
    const latin = join(directory, 'latin.csv')
    await writeFile(latin, Buffer.from('name,value\nZ\u00fcrich,1\n', 'latin1'))
    const ended = await livekv('import', latin, '--key-column', 'name', '--value', 'value')
    expect(ended).toMatchObject({ code: 1 })
    expect(ended.stderr).toContain('UTF-8')
  })

  test('a byte order mark, CRLF, quoted line breaks', async () => {
    const path = await file('quoted.csv', '\uFEFFname,note\r\na,"two\r\nlines"\r\nb,"say ""hi"""\r\n')
    const args = ['import', path, '--key-column', 'name', '--key-prefix', 'note.', '--value', 'note']
    expect((await livekv(...args)).code).toBe(0)
    expect((await livekv('get', 'note.a')).stdout).toBe('"two\\r\\nlines"\n')
    expect((await livekv('get', 'note.b')).stdout).toBe('"say \\"hi\\""\n')
  })

  test('what the server refuses is named with its line', async () => {
    const path = await file('keys.csv', `key,value\nfine.key,1\n${'k'.repeat(600)},2\n`)
    const args = ['import', path, '--key-column', 'key', '--value', 'value']
    const ended = await livekv(...args)
    expect(ended.code).toBe(1)
    expect(ended.stderr).toMatch(/line 3: .*512/)
    expect(ended.stderr).toContain('1 writes of')
    const skipped = await livekv(...args, '--skip-bad', '--json')
    expect(skipped.code).toBe(0)
    expect(skipped.stderr).toMatch(/line 3: .*512.*\(skipped\)\n$/)
    expect(JSON.parse(skipped.stdout)).toMatchObject({ rows: 2, applied: 0, repeated: 1, refused: 1 })
  })
})

describe('export', () => {
  test('gives the same history to an empty server, deletes and exact texts included', async () => {
    await livekv('put', 'text', '{"a":\n [1.0, "\u2028"]}')
    await livekv('put', 'text', '"line\\nbreak, \\"quoted\\""')
    await livekv('delete', 'text')
    await livekv('put', '🙂,"key"', '-0.0')
    const total = await first.head()

    const backup = join(directory, 'all.ndjson')
    expect(await livekv('export', '--output', backup)).toMatchObject({ code: 0, stdout: '', stderr: '' })
    expect(await readdir(directory)).not.toContain('all.ndjson.part')
    const imported = await at(second, 'import', backup, '--json')
    expect(JSON.parse(imported.stdout)).toMatchObject({ rows: total, applied: total })

    const again = (await at(second, 'export')).stdout
    const rows = (text: string) =>
      text
        .trimEnd()
        .split('\n')
        .map((line) => line.replace(/,"at":"[^"]*"/, ''))
    expect(rows(again)).toEqual(rows(await readFile(backup, 'utf8')))
    const deletes = rows(again).filter((line) => line.startsWith('{"op":"delete","key":"text","time":'))
    expect(deletes).toHaveLength(1)
  })

  test('CSV round trip: of one key, of a prefix; line breaks inside values too', async () => {
    const path = join(directory, 'all.csv')
    await livekv('put', 'csv.text', '{"a":\n [1.0]}')
    await livekv('put', 'csv.text', '"007"')
    expect((await livekv('export', '--prefix', 'csv.', '--format', 'csv', '--output', path)).code).toBe(0)
    expect((await at(second, 'import', path, '--key-prefix', 'copy.')).code).toBe(0)
    const history = JSON.parse(await second.get('/api/v1/history?key=copy.csv.text')).changes
    expect(history.map((change: { value: unknown }) => change.value)).toEqual([{ a: [1] }, '007'])
    expect(await second.get('/api/v1/history?key=copy.csv.text')).toContain('"value":{"a":\n [1.0]}')

    const gold = (await livekv('export', '--key', 'gold', '--format', 'csv')).stdout.split('\n')
    expect(gold[0]).toBe('op,key,value,time,revision,at')
    expect(gold[1]).toMatch(/^put,gold,18\.930,1833-01-01T00:00:00\.000Z,\d+,/)
    expect(gold).toHaveLength(2324)
  })

  test('a broken NDJSON line is named', async () => {
    const path = await file(
      'broken.ndjson',
      '{"key":"n","value":1}\n\n{"key":"n","value":}\n{"key":5,"value":1}\n[]\n',
    )
    const ended = await livekv('import', path)
    expect(ended.code).toBe(1)
    expect(ended.stderr).toMatch(/line 3: .*not JSON/)
    expect(ended.stderr).toMatch(/line 4: its key is 5/)
    expect(ended.stderr).toMatch(/line 5: .*not an object/)
  })

  test('an export that fails leaves no file', async () => {
    const before = await readdir(directory)
    const ended = await livekv('export', '--key', 'no.such', '--output', join(directory, 'none.ndjson'))
    expect(ended.code).toBe(3)
    expect(await readdir(directory)).toEqual(before)
  })
})
