import { READ_RULES } from './reads.rules.ts'

/**
 * The rules by which watchers are never shown a key going backwards and are never stuck, across connections and
 * instances. Source files name the rule a line follows as `Rule: <name>`; watch.model.test.ts leaves each out in turn.
 * Those that also serve reads are in READ_RULES.
 */
export const WATCH_RULES = {
  'drop-older': READ_RULES['drop-older'],
  'own-seen-set': READ_RULES['own-seen-set'],
  'poll-head': READ_RULES['poll-head'],
  'evict-raises-floor': READ_RULES['evict-raises-floor'],
  'keep-above-contiguous': READ_RULES['keep-above-contiguous'],
  'found-is-shown': READ_RULES['found-is-shown'],
  'jump-rereads-watched': READ_RULES['jump-rereads-watched'],
  'missing-is-deleted': READ_RULES['missing-is-deleted'],
  'jump-raises-floor': READ_RULES['jump-raises-floor'],
  'full-takes-nothing':
    'A change above `contiguous` for which the Tail has no room is as if it had not come: not shown, not counted as seen.',
  'jump-to-read-head':
    'After re-reading, the instance goes on from the head of what it read, not from a later one.',
  'jump-rereads-joining': 'A watch whose snapshot is under way counts as watching when a gap is jumped over.',
  'jump-snapshots-again':
    'A watch of a prefix gets a new snapshot after a jump: nothing else tells what was deleted.',

  'join-first': 'A watch joins the feed before anything is read for it, a page of its snapshot or the log.',
  'snapshot-from-store': 'The pages of a snapshot are read from the store, never from the cache.',
  'page-head-together': 'A page and the head it is of are read in one statement.',
  'tail-snapshot-from-high':
    'A snapshot comes from the Tail only if the watch brought a cursor and `contiguous` is at or above its `high`.',
  'wait-for-head':
    'What was read from the store is sent once `contiguous` has reached the head it was read at.',
  'change-after-page':
    'Between the pages of a snapshot, changes are sent only of keys whose page was sent before.',
  'release-above-page':
    'A change that arrived meanwhile is released only if it is above the head of its page.',
  'end-spares-changed':
    'At the end of a snapshot the client removes what was in no page and in no change since the snapshot began.',

  'low-from-contiguous': 'A cursor’s `low` is not above `contiguous`.',
  'low-below-pending': 'A cursor’s `low` is below every change that is still pending for the watch.',
  'low-below-unknown':
    'While the absence of a key whose delete is no longer in the log is pending, the cursor’s `low` is 0.',
  'high-is-delivered': 'A cursor’s `high` is the highest revision sent to the watch.',
  'high-from-snapshot': 'A cursor’s `high` is not below the head of the watch’s snapshot.',
  'high-from-cursor': 'The `high` of a watch that resumes begins with that of the cursor it brought.',
  'cursor-after-changes': 'A cursor is sent with or after the changes it covers.',
  'snapshot-forgets-cursor': 'A client that is sent a snapshot forgets the cursor it had.',
  'client-drops-older':
    'A client that may have been shown more than its cursor says drops what is below the revision it holds, of deleted keys too.',

  'resume-waits-for-high': 'A watch resumes once `contiguous` is at or above its cursor’s `high`.',
  'resume-from-low': 'A watch that resumes is sent what changed since `low`, not since `high`.',
  'resume-from-tail-above-floor':
    'A watch resumes from the Tail only if `low` is at or above `floor`; else from the log.',
  'cut-log-snapshots': 'A watch whose `low` is below what the log still holds gets a snapshot.',
  'other-store-resets': 'A cursor of another store gets a snapshot that is marked as a reset.',
  'above-head-resets': 'A cursor above the head of the log gets a snapshot that is marked as a reset.',
  'answer-names-store':
    'The answer to a watch names the store, and a client that held something of another one drops it.',
  'reset-drops-held': 'At a reset the client drops the revisions it held.',
} as const

export type WatchRule = keyof typeof WATCH_RULES
export type WatchRules = Record<WatchRule, boolean>

export const allWatchRules = (): WatchRules =>
  Object.fromEntries(Object.keys(WATCH_RULES).map((name) => [name, true])) as WatchRules
