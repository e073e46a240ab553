/**
 * Writes the market through the HTTP API, as any other program would.
 *
 *   keys without a value -> their last day is imported -> the market goes on from the present prices, for ever
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { KEYS, Market, type Quote } from './market.ts'
import { Random } from './random.ts'

const SEED = 20_251
const STEP_MS = 100
const HISTORY_STEPS = 288
const HISTORY_STEP_MS = 5 * 60_000
const MAX_ITEMS = 1_000

export interface Feed {
  /** Rejects with what went wrong; resolves after `stop`. */
  done: Promise<void>
  stop(): void
}

/** Resolves when every key has a value and a history. */
export async function startFeed(url: string): Promise<Feed> {
  const { prices, head } = await present(url)
  if (prices.size < KEYS.length) await writeLastDay(url, prices)
  const stop = new AbortController()
  return {
    done: run(url, stop.signal, new Market(new Random(SEED + head), (await present(url)).prices)),
    stop: () => stop.abort(),
  }
}

async function run(url: string, signal: AbortSignal, market: Market): Promise<void> {
  while (!signal.aborted) {
    const quotes = market.advance(STEP_MS)
    if (quotes.length > 0)
      await write(
        url,
        quotes.map((quote) => item(quote)),
      )
    await sleep(STEP_MS, undefined, { signal }).catch(() => {})
  }
}

async function writeLastDay(url: string, known: ReadonlyMap<string, number>): Promise<void> {
  const market = new Market(new Random(SEED))
  const now = Date.now()
  const items: string[] = []
  for (let step = HISTORY_STEPS; step > 0; step--) {
    const time = new Date(now - step * HISTORY_STEP_MS).toISOString()
    for (const quote of market.leap()) if (!known.has(quote.key)) items.push(item(quote, time))
  }
  for (let from = 0; from < items.length; from += MAX_ITEMS)
    await write(url, items.slice(from, from + MAX_ITEMS))
}

async function present(url: string): Promise<{ prices: Map<string, number>; head: number }> {
  const answer = await call(`${url}/api/v1/entries/get`, JSON.stringify({ keys: KEYS }))
  const { entries } = JSON.parse(answer) as { entries: { key: string; value: unknown; revision: number }[] }
  return {
    prices: new Map(entries.map(({ key, value }) => [key, Number(value)])),
    head: Math.max(0, ...entries.map(({ revision }) => revision)),
  }
}

/** Joined as text, so that 4085.60 keeps its last digit. */
function item({ key, price }: Quote, time?: string): string {
  return `{"key":${JSON.stringify(key)},"value":${price}${time === undefined ? '' : `,"time":"${time}"`}}`
}

async function write(url: string, items: readonly string[]): Promise<void> {
  await call(`${url}/api/v1/batch`, `{"writes":[${items.join(',')}]}`)
}

async function call(address: string, body: string): Promise<string> {
  const response = await fetch(address, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  })
  const answer = await response.text()
  if (!response.ok) throw new Error(`${address} answered ${response.status}: ${answer}`)
  return answer
}
