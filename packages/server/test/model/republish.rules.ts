/**
 * The rules by which the topic of the bus gets every change. Source files name the rule a line follows as
 * `Rule: <name>`; republish.model.test.ts leaves each out in turn and finds what goes wrong then.
 */
export const REPUBLISH_RULES = {
  'seen-is-consumed':
    'Only what an instance’s own consumer has read from the topic counts as being in it, not what it sent or read from the log.',
  'mark-never-falls': 'Within a topic the mark is only ever raised, whoever writes it and however late.',
  'seen-of-topic': 'What was read of a topic that is gone says nothing about the one that follows it.',
  'mark-of-topic': 'A mark is raised only by what was read of the topic it is of.',
  'mark-falls-back':
    'For another topic the mark falls back behind what may have been published to the old one after its deletion.',
  'sent-again': 'The holder of the lease sends again what is above the mark and was not read.',
  'refused-is-seen': 'What the broker refuses for good is not waited for.',
} as const

export type RepublishRule = keyof typeof REPUBLISH_RULES
export type RepublishRules = Record<RepublishRule, boolean>

export const allRepublishRules = (): RepublishRules =>
  Object.fromEntries(Object.keys(REPUBLISH_RULES).map((name) => [name, true])) as RepublishRules
