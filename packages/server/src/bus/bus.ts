import type { Change } from '../store/store.ts'

/**
 * Carries committed changes to the other instances. May lose, repeat and reorder: the log makes good.
 * `publish` never throws and never waits.
 */
export interface Bus {
  publish(changes: readonly Change[]): void
  subscribe(onChanges: (changes: readonly Change[]) => void): Promise<void>
  close(): Promise<void>
}
