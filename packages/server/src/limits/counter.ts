/** What one client has spent in the present window, as far as the counter was told. */
export interface Count {
  spent: number
  /** Until the window ends and the count begins at nothing again. */
  endsInMs: number
}

/**
 * Counts the points that clients spend, in windows of fixed length: a client's window begins with its first point.
 *
 * Guarantees: an answer within a small bound, and never a rejection.
 * Does not guarantee that nothing is forgotten: a counter that was emptied, or stands in for another one, answers with
 * less than it was told. The caller remembers what it has told in the present window.
 */
export interface Counter {
  add(client: string, points: number): Promise<Count>
  /** The client will not be asked for soon: what this process holds of it may go. */
  forget(client: string): void
}
