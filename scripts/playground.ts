import { resolve } from 'node:path'
import { exitLike } from './child.cjs'
import { runInContainer } from './container.ts'
import { SERVICES } from './needs.ts'
import { provision } from './provision.ts'

const CACHE = resolve(import.meta.dirname, '../.cache')

interface Stoppable {
  stop(): Promise<void>
}

/**
 * Provides what it needs -> starts it -> says what there is -> until Ctrl-C -> ends it in order, removes its data.
 * Or all of that in a container, by the same command (its file in scripts/, and the arguments of this process).
 */
export async function runPlayground<T extends Stoppable>(
  command: string,
  start: () => Promise<T>,
  announce: (playground: T) => string,
): Promise<void> {
  const ended = await runInContainer(command, process.argv.slice(2), SERVICES)
  if (ended) return exitLike(ended)
  const unprovided = await provision(CACHE, SERVICES)
  if (unprovided.length > 0) {
    const lines = unprovided.map(({ name, why }) => `${name} could not be provided (${why}).`)
    throw new Error(lines.join('\n'))
  }
  const signal = new Promise<void>((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => resolve())
  })
  console.log('Starting …')
  const playground = await start()
  console.log(announce(playground))
  await signal
  console.log('Stopping …')
  await playground.stop()
}

/** For an entry: what went wrong is said without a stack. */
export function endWith(error: unknown): void {
  console.error(error instanceof Error ? error.message : error)
  process.exit(1)
}
