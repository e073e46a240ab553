import { REPUBLISH_INVARIANTS, type RepublishOptions, republishModel } from './republish.model.ts'
import { allRepublishRules, REPUBLISH_RULES, type RepublishRule } from './republish.rules.ts'
import type { Omission } from './scenarios.ts'

type RepublishWorld = Omit<RepublishOptions, 'rules'>

const alone: RepublishWorld = { instances: 1, maxHead: 2, deletions: 1, restarts: 1, refused: [] }
const together: RepublishWorld = { ...alone, instances: 2, deletions: 0 }

export const REPUBLISH_WORLDS: Record<string, RepublishWorld> = {
  'one instance that restarts, a topic that is deleted': alone,
  'two instances, of which one restarts': together,
  'two instances, a topic that is deleted': { ...together, maxHead: 1, deletions: 1, restarts: 0 },
  'a record that is refused': { ...alone, refused: [1] },
}

const BREAKS: Record<RepublishRule, [keyof typeof REPUBLISH_INVARIANTS, RepublishWorld]> = {
  'seen-is-consumed': ['passed', alone],
  'mark-never-falls': ['fell', together],
  'seen-of-topic': ['passed', alone],
  'mark-of-topic': ['passed', alone],
  'mark-falls-back': ['passed', alone],
  'sent-again': ['stuck', alone],
  'refused-is-seen': ['stuck', { ...alone, refused: [1] }],
}

export function republishOmissions(): Omission[] {
  return (Object.keys(REPUBLISH_RULES) as RepublishRule[]).map((rule) => {
    const [invariant, world] = BREAKS[rule]
    return {
      rule,
      sentence: REPUBLISH_RULES[rule],
      breaks: REPUBLISH_INVARIANTS[invariant],
      model: republishModel({ ...world, rules: { ...allRepublishRules(), [rule]: false } }),
    }
  })
}
