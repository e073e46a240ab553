interface Range {
  from: number
  to: number
}

/**
 * A set of revisions, kept as ranges: what arrives nearly in order costs a few numbers, however much it is. Past
 * `maxRanges` the lowest range is forgotten: whoever asks then takes those revisions for missing.
 */
export class RevisionRanges {
  /** Ascending; neither overlapping nor touching. */
  #ranges: Range[] = []
  readonly #maxRanges: number

  constructor(maxRanges = 10_000) {
    this.#maxRanges = maxRanges
  }

  get size(): number {
    return this.#ranges.length
  }

  add(from: number, to = from): void {
    const ranges = this.#ranges
    // The common case: the next one.
    const newest = ranges.at(-1)
    if (newest && from === newest.to + 1) {
      newest.to = to
      return
    }
    let first = this.#firstEndingAtOrAbove(from - 1)
    let last = first
    let low = from
    let high = to
    for (let range = ranges[last]; range && range.from <= to + 1; range = ranges[++last]) {
      low = Math.min(low, range.from)
      high = Math.max(high, range.to)
    }
    ranges.splice(first, last - first, { from: low, to: high })
    for (first = ranges.length - this.#maxRanges; first > 0; first--) ranges.shift()
  }

  has(revision: number): boolean {
    const range = this.#ranges[this.#firstEndingAtOrAbove(revision)]
    return range !== undefined && range.from <= revision
  }

  /** The highest revision up to which nothing above `revision` is missing. */
  through(revision: number): number {
    const range = this.#ranges[this.#firstEndingAtOrAbove(revision + 1)]
    return range && range.from <= revision + 1 ? range.to : revision
  }

  /** The lowest stretch of missing revisions above `revision`; `to` is infinite above the highest one in here. */
  missingAbove(revision: number): Range {
    const from = this.through(revision) + 1
    const next = this.#ranges[this.#firstEndingAtOrAbove(from)]
    return { from, to: next ? next.from - 1 : Number.POSITIVE_INFINITY }
  }

  /** Nobody asks any more for what is at or below it. */
  forgetThrough(revision: number): void {
    const kept = this.#firstEndingAtOrAbove(revision + 1)
    if (kept > 0) this.#ranges.splice(0, kept)
  }

  #firstEndingAtOrAbove(revision: number): number {
    let low = 0
    let high = this.#ranges.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#ranges[middle]!.to < revision) low = middle + 1
      else high = middle
    }
    return low
  }
}
