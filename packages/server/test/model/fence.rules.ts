/**
 * The rules by which a process finds out what became of a batch whose answer was lost. Source files name the rule
 * a line follows as `Rule: <name>`; fence.model.test.ts leaves each out in turn and finds what goes wrong then.
 */
export const FENCE_RULES = {
  'lock-first':
    'A batch locks the counter before it looks at anything: what it reads then stays true until its commit.',
  'epoch-under-lock':
    'A batch whose epoch is not that of its writer row is refused, checked after taking the lock.',
  'number-above-last': 'A batch whose number is not above the row’s `last_batch` is refused.',
  'missing-row-refused': 'A batch whose writer row is gone is refused.',
  'row-per-start': 'Every start of a process has a writer row of its own.',
  'row-with-batch': '`last_batch` and the result are written in the batch’s own transaction.',
  'whole-result': 'The row keeps the batch’s whole answer, and a settled batch is answered from it.',
  'fence-first': 'After a lost answer nothing is sent before the fence has answered.',
  'fence-raises-epoch': 'The fence raises the epoch, so that what is still on its way can no longer land.',
  'fence-under-lock':
    'The fence takes the counter lock: no batch is between its checks and its commit when it looks.',
  'unknown-at-deadline':
    'A batch that is not settled at its deadline is answered COMMIT_UNKNOWN, not as failed.',
} as const

export type FenceRule = keyof typeof FENCE_RULES
export type FenceRules = Record<FenceRule, boolean>

export const allFenceRules = (): FenceRules =>
  Object.fromEntries(Object.keys(FENCE_RULES).map((name) => [name, true])) as FenceRules
