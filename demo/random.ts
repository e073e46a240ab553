/** The same numbers for the same seed. Not for secrets. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** Evenly from 0 up to, not including, 1: the high bits of a mixed counter. */
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0
    let bits = this.#state
    bits = Math.imul(bits ^ (bits >>> 16), 0x21f0aaad)
    bits = Math.imul(bits ^ (bits >>> 15), 0x735a2d97)
    return ((bits ^ (bits >>> 15)) >>> 0) / 2 ** 32
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  /** Of mean 0 and deviation 1, by the sum of twelve: never beyond 6, which suits prices. */
  normal(): number {
    let sum = -6
    for (let count = 0; count < 12; count++) sum += this.next()
    return sum
  }
}
