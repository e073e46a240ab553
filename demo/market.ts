/**
 * A market that is made up: every price is a random walk that is drawn back to where it began, so that it stays
 * plausible however long it runs. Prices are decimal text with the digits of their tick, as exchanges write them.
 */
import type { Random } from './random.ts'

export interface Instrument {
  key: string
  start: number
  /** Prices are multiples of it. */
  tick: number
  /** Typical move of one step, relative to the price. */
  volatility: number
  writesPerSecond: number
}

export const INSTRUMENTS: readonly Instrument[] = [
  { key: 'gold.world', start: 4085.6, tick: 0.1, volatility: 0.00012, writesPerSecond: 2.5 },
  { key: 'bitcoin', start: 86450, tick: 0.01, volatility: 0.00018, writesPerSecond: 3 },
  { key: 'stock.AAPL', start: 271.5, tick: 0.01, volatility: 0.00015, writesPerSecond: 1 },
  { key: 'stock.NVDA', start: 178.9, tick: 0.01, volatility: 0.00025, writesPerSecond: 1.5 },
  { key: 'stock.FPT', start: 98.4, tick: 0.05, volatility: 0.0005, writesPerSecond: 0.7 },
  { key: 'stock.VNM', start: 61.2, tick: 0.05, volatility: 0.0006, writesPerSecond: 0.5 },
]

/** Quotes of a shop, in million dong: they follow the world's price, move now and then, and buy below they sell. */
const SHOP = { buy: 'gold.sjc.buy', sell: 'gold.sjc.sell', follows: 'gold.world', tick: 0.05, spread: 2 }
const SHOP_CHANGES_PER_SECOND = 0.4

export const KEYS: readonly string[] = [...INSTRUMENTS.map(({ key }) => key), SHOP.buy, SHOP.sell]

/** How hard a price is drawn back: its swings are some fifteen times one step. */
const PULL = 0.002

export interface Quote {
  key: string
  price: string
}

export class Market {
  readonly #random: Random
  readonly #prices: Map<string, number>

  /** `known`: prices to go on from. */
  constructor(random: Random, known: ReadonlyMap<string, number> = new Map()) {
    this.#random = random
    this.#prices = new Map(INSTRUMENTS.map(({ key, start }) => [key, known.get(key) ?? start]))
  }

  /** What changes within so many milliseconds, as long as they are few. */
  advance(ms: number): Quote[] {
    const moving = INSTRUMENTS.filter((one) => this.#random.chance((one.writesPerSecond * ms) / 1000))
    const quotes = moving.map((one) => this.#step(one, one.volatility))
    if (this.#random.chance((SHOP_CHANGES_PER_SECOND * ms) / 1000)) quotes.push(...this.#shop())
    return quotes
  }

  /** A step of everything, as after a longer time. */
  leap(): Quote[] {
    return [...INSTRUMENTS.map((one) => this.#step(one, one.volatility * 6)), ...this.#shop()]
  }

  #step({ key, start, tick }: Instrument, volatility: number): Quote {
    const before = this.#prices.get(key)!
    const after = before + PULL * (start - before) + start * volatility * this.#random.normal()
    const price = toTick(after, tick)
    // The walk goes on from the exact price: rounded, a small step would never leave its tick.
    this.#prices.set(key, after)
    return { key, price }
  }

  #shop(): Quote[] {
    const world = this.#prices.get(SHOP.follows)!
    // Ounces to taels, at a fixed rate of the dong, and the premium of the place.
    const buy = ((world * 37.5) / 31.1035) * 0.02635 * 1.145 + 0.05 * this.#random.normal()
    return [
      { key: SHOP.buy, price: toTick(buy, SHOP.tick) },
      { key: SHOP.sell, price: toTick(buy + SHOP.spread, SHOP.tick) },
    ]
  }
}

function toTick(price: number, tick: number): string {
  const digits = Math.max(2, Math.ceil(-Math.log10(tick)))
  return (Math.round(price / tick) * tick).toFixed(digits)
}
