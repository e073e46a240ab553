import { readdirSync, readFileSync } from 'node:fs'

/** The process and all that descend from it (Linux: read from /proc). */
export function processTree(pid: number): number[] {
  const childrenOf = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    const child = Number(name)
    const parent = Number.isInteger(child) ? parentOf(child) : undefined
    if (parent !== undefined) childrenOf.set(parent, [...(childrenOf.get(parent) ?? []), child])
  }
  const tree = [pid]
  for (const member of tree) tree.push(...(childrenOf.get(member) ?? []))
  return tree
}

/** True until it has ended; a process that has ended but was not waited for yet counts as ended. */
export function isAlive(pid: number): boolean {
  const state = statusOf(pid)?.[0]
  return state !== undefined && state !== 'Z' && state !== 'X'
}

/** Signals those of the processes that are still there. */
export function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
}

function parentOf(pid: number): number | undefined {
  const parent = statusOf(pid)?.[1]
  return parent === undefined ? undefined : Number(parent)
}

/** State, parent, … : what follows the program's name, which is in brackets and may hold anything. */
function statusOf(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}
