/**
 * The keys of a fault run: more than an instance's Tail is given room for, so that what is not written to for a while is
 * read from the cache; most writes go to a few of them.
 */
const HOT = Array.from({ length: 24 }, (_, n) => `g${n % 3}/hot${n}`)
const COLD = Array.from({ length: 276 }, (_, n) => `g${n % 3}/cold${n}`)
const COUNTERS = ['counter/a', 'counter/b', 'counter/c']

export const KEYS: readonly string[] = [...HOT, ...COLD, ...COUNTERS]
/** Of each instance, far below the number of keys. */
export const TAIL_MAX_ENTRIES = 100

export type Random = () => number

export function pick<const T>(items: readonly T[], random: Random): T {
  return items[Math.floor(random() * items.length)]!
}

export function someKey(random: Random): string {
  return pick(random() < 0.6 ? HOT : COLD, random)
}

export function someCounter(random: Random): string {
  return pick(COUNTERS, random)
}

export function keyToRead(random: Random): string {
  return random() < 0.1 ? someCounter(random) : someKey(random)
}

/** What watchers select: keys by name, and prefixes short and long. */
export function selectionOf(index: number): { keys: string[] } | { prefix: string } {
  if (index % 2 === 0) return { keys: KEYS.filter((_, n) => (n + index) % 16 === 0) }
  return { prefix: ['', 'g1', 'counter', 'g0/hot', 'g2/cold1', 'g'][(index >> 1) % 6]! }
}
