import type { Change } from '../store/store.ts'

/**
 * Carries committed changes to the other instances. May lose, repeat and reorder: the log makes good.
 * `publish` never throws and never waits.
 */
export interface Bus {
  publish(changes: readonly Change[]): void
  subscribe(onChanges: (changes: readonly Change[]) => void): Promise<void>
  /** Why it carries nothing at present, in words for an operator; null: it works. */
  readonly problem: string | null
  /** Sends what is waiting, and ends; within about `withinMs`, if it is given. */
  close(withinMs?: number): Promise<void>
}
