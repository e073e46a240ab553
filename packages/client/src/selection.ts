import { LiveKVError, shown } from './error.ts'

/** What to watch. A prefix is a plain string prefix: `gold` matches `golden`. */
export type Selection = { key: string } | { keys: readonly string[] } | { prefix: string } | { all: true }

/** A selection as it is asked of the server: at most one watch of it is open at a time. */
export type Part = { keys: string[]; prefix?: never } | { prefix: string; keys?: never }

/** As the server's limit. */
const MAX_KEYS = 100_000
/** A request above the server's message limit would end the connection without an answer. */
const MAX_PART_CHARS = 192 * 1024

/** More than one only for very long lists of keys. */
export function partsOf(selection: Selection): Part[] {
  if ('all' in selection && selection.all === true) return [{ prefix: '' }]
  if ('prefix' in selection && typeof selection.prefix === 'string') return [{ prefix: selection.prefix }]
  if ('key' in selection && typeof selection.key === 'string') return [{ keys: [selection.key] }]
  if ('keys' in selection && Array.isArray(selection.keys) && selection.keys.length > 0) {
    const keys = [...new Set<string>(selection.keys)].sort()
    if (keys.length <= MAX_KEYS) return splitKeys(keys)
    throw new LiveKVError(
      'SELECTION_TOO_LARGE',
      `${keys.length} keys in one watch: at most ${MAX_KEYS} are allowed. Watch a prefix, or fewer keys.`,
    )
  }
  throw new LiveKVError(
    'INVALID_REQUEST',
    `The selection ${shown(selection)} must be {key}, {keys} with at least one, {prefix} or {all: true}.`,
  )
}

function splitKeys(keys: readonly string[]): Part[] {
  const parts: { keys: string[] }[] = []
  let chars = Number.POSITIVE_INFINITY
  for (const key of keys) {
    chars += key.length + 3
    if (chars > MAX_PART_CHARS) {
      parts.push({ keys: [] })
      chars = key.length + 3
    }
    parts.at(-1)!.keys.push(key)
  }
  return parts
}

export const partId = (part: Part): string => JSON.stringify(part.keys ?? part.prefix)

/** Whether a watch of the prefix shows everything that one of the part would. */
export function coveredBy(part: Part, prefix: string): boolean {
  return part.keys?.every((key) => key.startsWith(prefix)) ?? part.prefix!.startsWith(prefix)
}
