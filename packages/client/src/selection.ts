import { LiveKVError, shown } from './error.ts'

/** What to watch. A prefix is a plain string prefix: `gold` matches `golden`. */
export type Selection = { key: string } | { keys: readonly string[] } | { prefix: string } | { all: true }

/** A selection as it is asked of the server: at most one watch of it is open at a time. */
export interface Part {
  /** The same for equal parts. */
  readonly id: string
  readonly asked: { keys: readonly string[] } | { prefix: string }
  /** Undefined: more than one. */
  readonly onlyKey: string | undefined
  readonly wants: (key: string) => boolean
}

/** As the server's limit. */
const MAX_KEYS = 100_000
/** A request above the server's message limit would end the connection without an answer. */
const MAX_PART_CHARS = 192 * 1024

/** More than one only for very long lists of keys. */
export function partsOf(selection: Selection): Part[] {
  const { all, prefix, key, keys } = Object(selection) as { [name: string]: unknown }
  if (all === true) return [prefixPart('')]
  if (typeof prefix === 'string') return [prefixPart(prefix)]
  if (typeof key === 'string') return [keysPart([key])]
  if (isListOfKeys(keys)) {
    const sorted = [...new Set(keys)].sort()
    if (sorted.length <= MAX_KEYS) return splitKeys(sorted).map(keysPart)
    throw new LiveKVError(
      'SELECTION_TOO_LARGE',
      `${sorted.length} keys in one watch: at most ${MAX_KEYS} are allowed. Watch a prefix, or fewer keys.`,
    )
  }
  throw new LiveKVError(
    'INVALID_REQUEST',
    `The selection ${shown(selection)} must be {key}, {keys} with at least one, {prefix} or {all: true}.`,
  )
}

function isListOfKeys(keys: unknown): keys is string[] {
  return Array.isArray(keys) && keys.length > 0 && keys.every((key) => typeof key === 'string')
}

function splitKeys(keys: readonly string[]): string[][] {
  const parts: string[][] = []
  let chars = Number.POSITIVE_INFINITY
  for (const key of keys) {
    chars += key.length + 3
    if (chars > MAX_PART_CHARS) {
      parts.push([])
      chars = key.length + 3
    }
    parts.at(-1)!.push(key)
  }
  return parts
}

function keysPart(keys: readonly string[]): Part {
  const onlyKey = keys.length === 1 ? keys[0] : undefined
  const set = new Set(keys)
  return { id: JSON.stringify(keys), asked: { keys }, onlyKey, wants: (key) => set.has(key) }
}

function prefixPart(prefix: string): Part {
  const wants = (key: string) => key.startsWith(prefix)
  return { id: JSON.stringify(prefix), asked: { prefix }, onlyKey: undefined, wants }
}

/** Whether a watch of a prefix shows everything that one of the part would. */
export function isCovered({ asked }: Part, byPrefix: Part): boolean {
  return 'keys' in asked ? asked.keys.every(byPrefix.wants) : byPrefix.wants(asked.prefix)
}
