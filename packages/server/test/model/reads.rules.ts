/**
 * The rules by which an instance answers reads and feeds watchers. Source files name the rule a line follows as
 * `Rule: <name>`; reads.model.test.ts leaves each out in turn and finds what goes wrong then.
 */
export const READ_RULES = {
  'tail-before-ack': 'A write made here is in the Tail before it is acknowledged.',
  'drop-older':
    'A change that is not above `contiguous`, or not above the key’s revision in the Tail, is dropped.',
  'own-seen-set': '`contiguous` counts revisions seen, in a set of its own: a dropped change was seen too.',
  'poll-head': 'The head of the log is polled always, not only when a gap shows.',
  'evict-raises-floor': 'When a key leaves the Tail, `floor` rises to its revision.',
  'keep-above-contiguous': 'A key whose revision is above `contiguous` is not evicted.',
  'jump-raises-floor': 'After a snapshot instead of a gap fill, `floor` rises to the snapshot’s head.',
  'jump-rereads-watched': 'When a gap is too large to fill, the watched keys are read again and shown.',
  'missing-is-deleted':
    'A watched key that the re-read does not find is shown as deleted, at its delete’s revision.',
  'warm-head-first': 'The Tail is warmed with the head read first, or in the same statement as the changes.',
  'tail-answers-above-floor': 'The Tail answers for a key only where the key’s revision is above `floor`.',
  'believe-from-floor': 'A cached item is believed only if its `asOf` is at or above `floor`.',
  'believe-unless-newer':
    'A cached item is not believed if the Tail’s revision of the key is above its `asOf`.',
  'check-when-answered':
    'A result of the store, of a fill or of a joined flight is checked in the tick it is answered in.',
  'as-of-own-revision':
    'A write-through item’s `asOf` is its own revision, whatever else this instance has seen.',
  'fill-one-statement': 'A fill reads entry and head in one statement.',
  'absent-has-revision': 'An absent item carries the revision of its delete.',
  'absence-is-remembered':
    'After a read at a head above `contiguous` that found no value and no delete, nothing older is believed of the key.',
  'found-enters-tail': 'What a read finds above `contiguous` and the Tail enters the Tail.',
  'found-is-shown':
    'What a read finds above `contiguous` and the Tail is shown to watchers as the change itself.',
  'at-least': 'A read that asks for a revision takes only an answer from at or above it.',
} as const

export type ReadRule = keyof typeof READ_RULES
export type ReadRules = Record<ReadRule, boolean>

export const allReadRules = (): ReadRules =>
  Object.fromEntries(Object.keys(READ_RULES).map((name) => [name, true])) as ReadRules
