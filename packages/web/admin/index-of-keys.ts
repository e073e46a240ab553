/** Keys in order without duplicates; adding and removing one costs a binary search, not a sort. */
export class IndexOfKeys {
  #keys: string[]

  constructor(keys: readonly string[]) {
    this.#keys = [...new Set(keys)].sort()
  }

  get size(): number {
    return this.#keys.length
  }

  has(key: string): boolean {
    return this.#keys[this.#position(key)] === key
  }

  add(key: string): boolean {
    const at = this.#position(key)
    if (this.#keys[at] === key) return false
    this.#keys.splice(at, 0, key)
    return true
  }

  delete(key: string): boolean {
    const at = this.#position(key)
    if (this.#keys[at] !== key) return false
    this.#keys.splice(at, 1)
    return true
  }

  /** Those that contain `search`, whatever the case. */
  matching(search: string): readonly string[] {
    if (search === '') return this.#keys
    const wanted = search.toLowerCase()
    return this.#keys.filter((key) => key.toLowerCase().includes(wanted))
  }

  #position(key: string): number {
    let low = 0
    let high = this.#keys.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#keys[middle]! < key) low = middle + 1
      else high = middle
    }
    return low
  }
}
