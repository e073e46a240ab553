import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createApp, loadConfig } from '@livekv/server'
import pino from 'pino'
import { afterEach, expect, test } from 'vitest'
import { startFeed } from '../demo/feed.ts'
import { startCli } from '../packages/cli/test/support/run-cli.ts'

/** The default limits stop what has gone wild, and nothing that the project itself does. */

const RESULTS = fileURLToPath(new URL('../bench/results.md', import.meta.url))
const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

/** A server that tells of every client that met a limit. */
async function start(environment: Record<string, string> = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'livekv-limits-'))
  ends.push(() => rm(directory, { recursive: true, force: true }))
  const lines: string[] = []
  const { promise: limitReached, resolve } = Promise.withResolvers<'a limit was reached'>()
  const log = pino(
    { level: 'warn' },
    {
      write(line: string) {
        if (!/RATE_LIMIT_(READS|WRITES) reached/.test(line)) return
        lines.push(line)
        resolve('a limit was reached')
      },
    },
  )
  const { config } = loadConfig({ PORT: '0', DATA_DIR: join(directory, 'data'), ...environment })
  const app = await createApp(config, log)
  ends.push(() => app.close())
  return {
    url: app.url,
    directory,
    limitReached,
    reached: () => lines.length,
  }
}

async function importRows(url: string, directory: string, rows: number) {
  const path = join(directory, 'rows.ndjson')
  await writeFile(
    path,
    Array.from({ length: rows }, (_, n) => `{"key":"k${n % 100}","value":${n}}\n`).join(''),
  )
  const { child, ended } = startCli(['import', path, '--json'], { url })
  ends.push(async () => child.kill('SIGKILL'))
  return ended
}

/** What the fastest benchmark would write or read in a window. */
async function mostInWindow(): Promise<number> {
  const { config } = loadConfig({})
  const table = await readFile(RESULTS, 'utf8')
  const rates = [...table.matchAll(/([\d.]+)k(?: rows)?\/s/g)].map(
    ([, thousands]) => Number(thousands) * 1_000,
  )
  expect(rates.length).toBeGreaterThan(10)
  return Math.max(...rates) * config.rateLimitWindowSeconds
}

test('the demo meets no limit', async () => {
  const { url, reached } = await start()
  const feed = await startFeed(url)
  feed.stop()
  // Rejects at the first answer that is not 200.
  await feed.done
  expect(reached()).toBe(0)
})

test('an import meets no limit, at the highest rate that was measured', async () => {
  const { config } = loadConfig({})
  // A hundredth of the rows against a hundredth of the limit, in a window that outlasts any machine.
  const rows = Math.ceil((await mostInWindow()) / 100)
  const { url, directory, reached, limitReached } = await start({
    RATE_LIMIT_WRITES: String(Math.floor(config.rateLimitWrites / 100)),
    RATE_LIMIT_READS: String(Math.floor(config.rateLimitReads / 100)),
    RATE_LIMIT_WINDOW: '1h',
  })
  const importing = importRows(url, directory, rows).then(({ code, stdout }) => [code, JSON.parse(stdout)])
  // It would wait until the window is over.
  expect(await Promise.race([importing, limitReached])).toMatchObject([0, { applied: rows }])
  expect(reached()).toBe(0)
})

test('they would be seen to meet one', async () => {
  const { url, reached } = await start({ RATE_LIMIT_WRITES: '1', RATE_LIMIT_WINDOW: '1h' })
  const feed = startFeed(url)
  await expect(feed).rejects.toThrow('RATE_LIMIT_WRITES')
  for (const status of [200, 429]) {
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch(`${url}/add`, { method: 'POST', headers, body: '{"key":"a","value":1}' })
    expect(answer.status).toBe(status)
  }
  expect(reached()).toBe(1)
})

test('the benchmarks’ rates, from one address, leave room below the limits', async () => {
  const { config } = loadConfig({})
  const most = await mostInWindow()
  expect(most).toBeGreaterThan(500_000)
  for (const limit of [config.rateLimitWrites, config.rateLimitReads]) expect(most).toBeLessThan(limit * 0.6)
})
