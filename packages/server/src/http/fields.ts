import { LiveKVError } from '@livekv/protocol'
import { shown } from './shown.ts'

/** Refuses fields that nobody would look at: a misspelling must not be silently ignored. */
export function checkFields(
  where: string,
  object: Readonly<Record<string, unknown>>,
  allowed: readonly string[],
): void {
  for (const name of Object.keys(object)) {
    if (!allowed.includes(name)) {
      throw new LiveKVError(
        'INVALID_REQUEST',
        `The field ${shown(name)} is unknown in ${where}; known: ${allowed.join(', ')}.`,
      )
    }
  }
}
