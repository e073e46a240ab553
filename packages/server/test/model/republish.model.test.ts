import { describe, expect, test } from 'vitest'
import { explore } from './explorer.ts'
import { republishModel } from './republish.model.ts'
import { allRepublishRules } from './republish.rules.ts'
import { REPUBLISH_WORLDS, republishOmissions } from './republish.scenarios.ts'

describe('publishing again what the bus lost, every reachable state', () => {
  test.each(Object.entries(REPUBLISH_WORLDS))('%s: nothing breaks', (_, world) => {
    const { states, violations } = explore(republishModel({ ...world, rules: allRepublishRules() }))
    expect(Object.fromEntries(violations)).toEqual({})
    expect(states).toBeGreaterThan(1_000)
  })

  test.each(republishOmissions())('without $rule: $breaks', ({ model, breaks }) => {
    expect([...explore(model, { until: breaks }).violations.keys()]).toContain(breaks)
  })
})
