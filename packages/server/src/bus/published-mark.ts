export interface MarkClaim {
  holder: string
  /** How long the lease is kept without being claimed again. */
  ttlMs: number
  /** The topic the holder reads. */
  topicId: string
  /** Everything up to it is in that topic, as far as the holder has read it on top of what the mark said. */
  through: number
}

export interface MarkState {
  /** The claimant holds the lease now. */
  isHeld: boolean
  /** The topic that `publishedThrough` is of; null: none yet. */
  topicId: string | null
  publishedThrough: number
  /** Of the log, read in the same statement. */
  head: number
}

/**
 * The one mark of all instances: up to which revision the topic is known to hold every change, and whose turn it is
 * to see to the rest. Kept in the database, by whose clock the lease runs.
 *
 * Guarantees: at most one holder at a time; within one topic the mark never falls, whoever writes it and however late;
 * for another topic it falls back by as much as may have been published to the old one after that was deleted.
 */
export interface PublishedMark {
  /** Takes or renews the lease if it is free, and then moves the mark; tells the state in any case. */
  claim(claim: MarkClaim): Promise<MarkState>
  /** Lets others have the lease at once. */
  release(holder: string): Promise<void>
}
