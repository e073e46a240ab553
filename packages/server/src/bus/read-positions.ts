/** Records behind which it is quicker to go on from the end: what is skipped is found in the log. */
const MAX_LAG_RECORDS = 200_000n

/**
 * Where an instance reads on in each partition. A new connection goes on where the last one stopped, so that what
 * came meanwhile is read as well; a topic that was made anew is read from its beginning.
 */
export class ReadPositions {
  #topicId: string | undefined
  #next = new Map<number, bigint>()

  get topicId(): string | undefined {
    return this.#topicId
  }

  /** For the partitions of this topic, of which the first and the next offset are given. */
  begin(
    topicId: string,
    earliest: readonly bigint[],
    latest: readonly bigint[],
  ): ReadonlyMap<number, bigint> {
    const known = this.#next
    const isFirst = this.#topicId === undefined
    const isSame = this.#topicId === topicId
    this.#topicId = topicId
    this.#next = new Map()
    let lag = 0n
    for (const [partition, end] of latest.entries()) {
      const start = earliest[partition] ?? end
      const wanted = isFirst ? end : isSame ? (known.get(partition) ?? start) : start
      // Retention can have passed it, and a broker that lost its newest records can end before it.
      const position = wanted < start ? start : wanted > end ? end : wanted
      lag += end - position
      this.#next.set(partition, position)
    }
    if (lag > MAX_LAG_RECORDS) for (const [partition, end] of latest.entries()) this.#next.set(partition, end)
    return this.#next
  }

  /** The record there was read. */
  noteRead(partition: number, offset: bigint): void {
    this.#next.set(partition, offset + 1n)
  }
}
