import type { Model } from './explorer.ts'
import { FENCE_INVARIANTS, type FenceOptions, fenceModel } from './fence.model.ts'
import { allFenceRules, FENCE_RULES, type FenceRule } from './fence.rules.ts'
import { READ_INVARIANTS, type ReadsOptions, readsModel } from './reads.model.ts'
import { allReadRules, READ_RULES, type ReadRule } from './reads.rules.ts'

/** A rule left out, in a world small enough to search and large enough to need it. */
export interface Omission {
  rule: string
  sentence: string
  /** What breaks without it. */
  breaks: string
  model: Model<unknown>
}

type ReadsWorld = Omit<ReadsOptions, 'rules'>
type FenceWorld = Omit<FenceOptions, 'rules'>

export const READS_WORLDS: Record<string, ReadsWorld> = {
  'two instances, three writes': { instances: 2, maxWrites: 3, isCut: false },
  'one instance, four writes, a log that is cut': { instances: 1, maxWrites: 4, isCut: true },
}

const calm: FenceWorld = { batches: [1], fences: 2, restarts: 0, repeats: 0, removals: 0 }
const twoProcesses: FenceWorld = { ...calm, batches: [1, 1] }
const restarting: FenceWorld = { ...calm, batches: [2], restarts: 1, repeats: 1 }
const removing: FenceWorld = { ...calm, removals: 1, repeats: 1 }

export const FENCE_WORLDS: Record<string, FenceWorld> = {
  'two processes, a batch each': twoProcesses,
  'two processes, three batches, one fence each': { ...twoProcesses, batches: [2, 1], fences: 1 },
  'two processes, a statement repeated on the way': { ...twoProcesses, fences: 1, repeats: 1 },
  'one process that is killed and starts again, two batches, a statement repeated': restarting,
  'a writer row removed too early': removing,
}

const READ_BREAKS: Record<ReadRule, keyof typeof READ_INVARIANTS> = {
  'tail-before-ack': 'stepBack',
  'drop-older': 'backwards',
  'own-seen-set': 'stuck',
  'poll-head': 'stuck',
  'evict-raises-floor': 'stepBack',
  'keep-above-contiguous': 'backwards',
  'jump-raises-floor': 'stale',
  'jump-rereads-watched': 'notShown',
  'missing-is-deleted': 'notShown',
  'warm-head-first': 'stale',
  'tail-answers-above-floor': 'stale',
  'believe-from-floor': 'stale',
  'believe-unless-newer': 'stepBack',
  'check-when-answered': 'stepBack',
  'as-of-own-revision': 'stale',
  'fill-one-statement': 'stale',
  'absent-has-revision': 'notShown',
  'absence-is-remembered': 'stepBack',
  'found-enters-tail': 'stepBack',
  'found-is-shown': 'notShown',
  'at-least': 'notAtLeast',
}

const FENCE_BREAKS: Record<FenceRule, [keyof typeof FENCE_INVARIANTS, FenceWorld]> = {
  'lock-first': ['sharedRevision', twoProcesses],
  'epoch-under-lock': ['twice', twoProcesses],
  'number-above-last': ['twice', restarting],
  'missing-row-refused': ['twice', removing],
  'row-per-start': ['notApplied', restarting],
  'row-with-batch': ['twice', twoProcesses],
  'whole-result': ['wrongResult', twoProcesses],
  'fence-first': ['twice', twoProcesses],
  'fence-raises-epoch': ['twice', twoProcesses],
  'fence-under-lock': ['twice', twoProcesses],
  'unknown-at-deadline': ['applied', twoProcesses],
}

export function readsOmissions(): Omission[] {
  return (Object.keys(READ_RULES) as ReadRule[]).map((rule) => ({
    rule,
    sentence: READ_RULES[rule],
    breaks: READ_INVARIANTS[READ_BREAKS[rule]],
    model: readsModel({
      instances: 1,
      maxWrites: 3,
      isCut: true,
      rules: { ...allReadRules(), [rule]: false },
    }),
  }))
}

export function fenceOmissions(): Omission[] {
  return (Object.keys(FENCE_RULES) as FenceRule[]).map((rule) => {
    const [invariant, world] = FENCE_BREAKS[rule]
    return {
      rule,
      sentence: FENCE_RULES[rule],
      breaks: FENCE_INVARIANTS[invariant],
      model: fenceModel({ ...world, rules: { ...allFenceRules(), [rule]: false } }),
    }
  })
}
