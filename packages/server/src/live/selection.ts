/**
 * What a watch is about: keys by name, or all that begin with a prefix (the empty one: everything).
 *
 * A selection has an order in which its snapshot is read: `isBehind` says whether a key comes after another in it.
 */
export type Selection = KeySelection | PrefixSelection

export class KeySelection {
  /** Each once, sorted. */
  readonly keys: readonly string[]
  readonly prefix = undefined

  constructor(keys: Iterable<string>) {
    this.keys = [...new Set(keys)].sort()
  }

  /** The same for every way of writing the same selection. */
  get identity(): string {
    return `keys ${JSON.stringify(this.keys)}`
  }

  isBehind(key: string, other: string): boolean {
    return key > other
  }
}

export class PrefixSelection {
  readonly prefix: string
  readonly keys = undefined

  constructor(prefix: string) {
    this.prefix = prefix
  }

  get identity(): string {
    return `prefix ${JSON.stringify(this.prefix)}`
  }

  /** Byte order of UTF-8, in which the store lists. */
  isBehind(key: string, other: string): boolean {
    const length = Math.min(key.length, other.length)
    for (let at = 0; at < length; at++) {
      const a = key.charCodeAt(at)
      const b = other.charCodeAt(at)
      if (a !== b) return placeOf(a) > placeOf(b)
    }
    return key.length > other.length
  }
}

/** Surrogates stand for characters behind all others, and before some of those in UTF-16. */
function placeOf(codeUnit: number): number {
  return codeUnit >= 0xd800 && codeUnit <= 0xdfff ? codeUnit + 0x10000 : codeUnit
}
