import type { SpawnOptions } from 'node:child_process'

export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
  output: string
}

export function run(
  command: string,
  args: readonly string[],
  options?: SpawnOptions & { show?: boolean },
): Promise<Ended>

export function main(work: () => Promise<Pick<Ended, 'code'> & Partial<Ended>>): void

export function exitLike(ended: Pick<Ended, 'code'> & Partial<Ended>): void

export function stepFailed(what: string, ended: Ended): Error
