import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Candle, Change } from '@livekv/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startCli } from './support/run-cli.ts'
import { ServerProcess } from './support/server-process.ts'

/** Real series (of the S&P 500 the first 1,000 rows), each with the command that imports it and the keys that come of it. */
const SERIES = [
  {
    file: 'gold.csv',
    args: ['--key', 'gold', '--value', 'Price', '--time', 'Date'],
    rows: ([date, price]: string[]) => [{ key: 'gold', date: date!, value: price! }],
  },
  {
    file: 'sp500.csv',
    args: ['--key', 'sp500', '--values', 'open,high,low,close,adjclose,volume', '--time', 'date'],
    rows: ([date, ...values]: string[]) =>
      ['open', 'high', 'low', 'close', 'adjclose', 'volume'].map((column, index) => ({
        key: `sp500.${column}`,
        date: date!,
        value: values[index]!,
      })),
  },
  {
    file: 'stocks.csv',
    args: ['--key-column', 'symbol', '--key-prefix', 'stock.', '--value', 'price', '--time', 'date'],
    rows: ([symbol, date, price]: string[]) => [{ key: `stock.${symbol}`, date: date!, value: price! }],
  },
]

interface Row {
  key: string
  time: string
  value: string
}

let server: ServerProcess
let directory: string
/** As the files have them. */
const expected: Row[] = []
beforeAll(async () => {
  server = await ServerProcess.start()
  directory = await mkdtemp(join(tmpdir(), 'livekv-series-'))
  for (const { file, args, rows } of SERIES) {
    const path = fileURLToPath(new URL(`data/${file}`, import.meta.url))
    const [, ...lines] = (await readFile(path, 'utf8')).trimEnd().split('\n')
    const of = lines.flatMap((line) => rows(line.split(',')))
    for (const { key, date, value } of of)
      expected.push({ key, value, time: new Date(/^\d/.test(date) ? date : `${date} UTC`).toISOString() })
    const ended = await startCli(['import', path, ...args, '--json'], { url: server.url }).ended
    expect(ended).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(ended.stdout)).toEqual({
      rows: lines.length,
      skipped: 0,
      applied: of.length,
      repeated: 0,
      unchanged: 0,
      refused: 0,
    })
  }
})
afterAll(async () => {
  await server.remove()
  await rm(directory, { recursive: true, force: true })
})

async function pagesOf<T>(path: string, field: string): Promise<T[]> {
  const all: T[] = []
  let cursor: string | undefined
  do {
    const at: string = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`
    const page = JSON.parse(await server.get(`${path}${at}`))
    all.push(...page[field])
    cursor = page.next
  } while (cursor !== undefined)
  return all
}

const keys = () => [...new Set(expected.map(({ key }) => key))]

test('the log has every row, in the order of the files, with its date and its digits', async () => {
  const { stdout } = await startCli(['export', '--format', 'csv'], { url: server.url }).ended
  const [header, ...lines] = stdout.trimEnd().split('\n')
  expect(header).toBe('op,key,value,time,revision,at')
  expect(lines.map((line) => line.split(',').slice(0, 5).join())).toEqual(
    expected.map(({ key, value, time }, index) => `put,${key},${value},${time},${index + 1}`),
  )
})

test('the history of each key has its rows by time', async () => {
  expect(keys()).toHaveLength(1 + 6 + 5)
  for (const key of keys()) {
    const changes = await pagesOf<Change>(`/api/v1/history?limit=1000&key=${key}`, 'changes')
    expect(changes.map((change) => [change.time, change.op === 'put' && change.value])).toEqual(
      expected.filter((row) => row.key === key).map(({ time, value }) => [time, Number(value)]),
    )
  }
})

test('monthly candles of gold go back to 1833, and are its prices', async () => {
  const rows = expected.filter(({ key }) => key === 'gold')
  expect(rows[0]!.time).toBe('1833-01-01T00:00:00.000Z')
  const candles = await pagesOf<Candle>('/api/v1/candles?interval=1mo&key=gold', 'candles')
  expect(candles).toEqual(
    rows.map(({ time, value }) => {
      const price = Number(value)
      return { time, open: price, high: price, low: price, close: price, count: 1 }
    }),
  )
  const years = await pagesOf<Candle>('/api/v1/candles?interval=1y&key=gold', 'candles')
  expect(years[0]).toMatchObject({ time: '1833-01-01T00:00:00.000Z', count: 12 })
  expect(years.reduce((sum, { count }) => sum + count, 0)).toBe(rows.length)
})

test('an export of the three, imported elsewhere, is exported as the same rows', async () => {
  const path = join(directory, 'all.ndjson')
  expect((await startCli(['export', '--output', path], { url: server.url }).ended).code).toBe(0)
  const other = await ServerProcess.start()
  const imported = await startCli(['import', path, '--json'], { url: other.url }).ended
  expect(JSON.parse(imported.stdout)).toMatchObject({ rows: expected.length, applied: expected.length })
  const again = await startCli(['export'], { url: other.url }).ended
  await other.remove()
  const withoutAt = (text: string) => text.replaceAll(/,"at":"[^"]*"/g, '')
  expect(withoutAt(again.stdout)).toBe(withoutAt(await readFile(path, 'utf8')))
})
