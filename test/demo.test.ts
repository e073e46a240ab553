import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createApp, loadConfig } from '@livekv/server'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startDemo } from '../demo/demo.ts'
import { KEYS, Market } from '../demo/market.ts'
import { Random } from '../demo/random.ts'

/** As `data` and `data/demo` in the repository. */
let serverDataDir: string
let dataDir: string
beforeAll(async () => {
  serverDataDir = await mkdtemp(join(tmpdir(), 'livekv-demo-'))
  dataDir = join(serverDataDir, 'demo')
})
afterAll(() => rm(serverDataDir, { recursive: true, force: true }))

// A setting that would lead it to somebody's real store is not heeded.
const start = () => startDemo({ dataDir, environment: { PORT: '0', DB_HOST: 'db.invalid' } })

async function json<T>(url: string): Promise<T> {
  return (await (await fetch(url)).json()) as T
}
const changes = (url: string, since: number) =>
  json<{ changes: { key: string; at: string; time: string }[]; head: number }>(
    `${url}/api/v1/changes?since=${since}&limit=5000`,
  )

test('every key has a day of history and moves; started again it goes on from there', async () => {
  const first = await start()
  const { changes: imported, head } = await changes(first.url, 0)
  for (const key of KEYS) {
    const times = imported.filter((change) => change.key === key && change.time < change.at)
    expect(times.length, key).toBeGreaterThanOrEqual(288)
    expect(Date.parse(times[0]!.at) - Date.parse(times[0]!.time), key).toBeGreaterThan(23 * 3_600_000)
  }
  while ((await changes(first.url, head)).head < head + 20) await sleep(50)
  await first.close()

  const second = await start()
  const again = await changes(second.url, 0)
  await second.close()
  expect(again.changes.slice(0, imported.length)).toEqual(imported)
  const added = again.changes.slice(imported.length)
  expect(added.every(({ at, time }) => at === time)).toBe(true)
}, 120_000)

test('after the demo the server starts on its own data beside it, and the demo again after that', async () => {
  await (await start()).close()
  const { config } = loadConfig({ PORT: '0', DATA_DIR: serverDataDir, LOG_LEVEL: 'silent' })
  const server = await createApp(config)
  expect((await changes(server.url, 0)).head).toBe(0)
  await server.close()
  await (await start()).close()
}, 120_000)

test('the same seed makes the same market, plausible for as long as it runs', () => {
  const [one, other] = [new Market(new Random(7)), new Market(new Random(7))]
  let [low, high] = [Number.POSITIVE_INFINITY, 0]
  for (let step = 0; step < 200_000; step++) {
    const quotes = one.advance(100)
    if (step < 2_000) expect(other.advance(100)).toEqual(quotes)
    for (const { key, price } of quotes) {
      if (!/^\d+\.\d\d$/.test(price)) expect.fail(`${key} is ${price}`)
      if (key !== 'gold.world') continue
      low = Math.min(low, Number(price))
      high = Math.max(high, Number(price))
    }
  }
  expect(low).toBeGreaterThan(4085 * 0.97)
  expect(high).toBeLessThan(4085 * 1.03)
  expect(high - low).toBeGreaterThan(4085 * 0.002)
})
