import type { Omission } from './scenarios.ts'
import { type WatchOptions, watchModel } from './watch.model.ts'
import { allWatchRules, WATCH_RULES, type WatchRule } from './watch.rules.ts'
import { WATCH_INVARIANTS } from './watch.session.ts'

type World = Omit<WatchOptions, 'rules'>

const small: World = { instances: 1, maxWrites: 2 }
const pair: World = { instances: 2, maxWrites: 2 }
const cursorsApart: World = { ...pair, cursorsApart: true }
const evicting: World = { ...pair, evictions: true, restarts: true }
const jumping: World = { ...small, jumps: 'shown' }
const snapshotsAgain: World = { ...pair, jumps: 'snapshot' }
const cutting: World = { ...small, maxWrites: 3, jumps: 'shown', cuts: true }
const failing: World = { ...small, failover: 'as another store', cursorsApart: true }
const failingUnnoticed: World = { ...small, failover: 'as the same store', cursorsApart: true }

export const WATCH_WORLDS: Record<string, World> = {
  'two instances, three writes': { ...pair, maxWrites: 3 },
  'two instances, three writes, cursors apart from their changes': { ...cursorsApart, maxWrites: 3 },
  'evictions and restarts': evicting,
  'evictions and jumps': { ...pair, evictions: true, jumps: 'shown' },
  'jumps and a log that is cut, two instances': { ...pair, jumps: 'shown', cuts: true },
  'jumps and a log that is cut, three writes': cutting,
  'jumps after which a snapshot comes again': snapshotsAgain,
  'jumps after which a snapshot comes again, three writes': { ...snapshotsAgain, instances: 1, maxWrites: 3 },
  'a failover to another store': failing,
  'a failover that nobody notices': failingUnnoticed,
}

const BREAKS: Record<WatchRule, [keyof typeof WATCH_INVARIANTS, World]> = {
  'drop-older': ['backwards', small],
  'own-seen-set': ['stuck', small],
  'poll-head': ['stuck', small],
  'evict-raises-floor': ['stuck', evicting],
  'keep-above-contiguous': ['backwards', evicting],
  'found-is-shown': ['stuck', small],
  'jump-rereads-watched': ['stuck', jumping],
  'missing-is-deleted': ['stuck', jumping],
  'jump-raises-floor': ['stuck', snapshotsAgain],
  'full-takes-nothing': ['stuck', small],
  'jump-to-read-head': ['stuck', { ...jumping, maxWrites: 3 }],
  'jump-rereads-joining': ['stuck', jumping],
  'jump-snapshots-again': ['stuck', snapshotsAgain],
  'join-first': ['stuck', small],
  'snapshot-from-store': ['older', small],
  'page-head-together': ['older', small],
  'tail-snapshot-from-high': ['older', { ...pair, maxWrites: 3 }],
  'wait-for-head': ['backwards', small],
  'change-after-page': ['older', small],
  'release-above-page': ['twice', small],
  'end-spares-changed': ['stuck', small],
  'low-from-contiguous': ['stuck', small],
  'low-below-pending': ['stuck', small],
  'low-below-unknown': ['stuck', cutting],
  'high-is-delivered': ['backwards', pair],
  'high-from-snapshot': ['resurrected', pair],
  'high-from-cursor': ['resurrected', cursorsApart],
  'cursor-after-changes': ['stuck', small],
  'snapshot-forgets-cursor': ['backwards', snapshotsAgain],
  'client-drops-older': ['backwards', cursorsApart],
  'resume-waits-for-high': ['resurrected', pair],
  'resume-from-low': ['stuck', small],
  'resume-from-tail-above-floor': ['stuck', evicting],
  'cut-log-snapshots': ['stuck', { ...small, cuts: true }],
  'other-store-resets': ['stuck', failing],
  'above-head-resets': ['stuck', failingUnnoticed],
  'answer-names-store': ['stuck', failing],
  'reset-drops-held': ['stuck', failingUnnoticed],
}

export function watchOmissions(): Omission[] {
  return (Object.keys(WATCH_RULES) as WatchRule[]).map((rule) => {
    const [invariant, world] = BREAKS[rule]
    return {
      rule,
      sentence: WATCH_RULES[rule],
      breaks: WATCH_INVARIANTS[invariant],
      model: watchModel({ ...world, rules: { ...allWatchRules(), [rule]: false } }),
    }
  })
}
