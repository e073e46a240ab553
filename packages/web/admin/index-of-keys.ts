/** Keys in order without duplicates; adding and removing one costs a binary search, not a sort. */
export class IndexOfKeys {
  #keys: string[]
  #found: { search: string; keys: readonly string[] } | undefined

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
    this.#found = undefined
    return true
  }

  delete(key: string): boolean {
    const at = this.#position(key)
    if (this.#keys[at] !== key) return false
    this.#keys.splice(at, 1)
    this.#found = undefined
    return true
  }

  /** Those that contain `search`, whatever the case; the same search again costs nothing until a key comes or goes. */
  matching(search: string): readonly string[] {
    if (search === '') return this.#keys
    if (this.#found?.search === search) return this.#found.keys
    const wanted = search.toLowerCase()
    this.#found = { search, keys: this.#keys.filter((key) => key.toLowerCase().includes(wanted)) }
    return this.#found.keys
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
