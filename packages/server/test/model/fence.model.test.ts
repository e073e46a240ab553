import { describe, expect, test } from 'vitest'
import { explore } from './explorer.ts'
import { fenceModel } from './fence.model.ts'
import { allFenceRules } from './fence.rules.ts'
import { FENCE_WORLDS, fenceOmissions } from './scenarios.ts'

describe('batches with unknown outcomes, every reachable state', () => {
  test.each(Object.entries(FENCE_WORLDS))('%s: nothing breaks', (_, world) => {
    const { states, violations } = explore(fenceModel({ ...world, rules: allFenceRules() }))
    expect(Object.fromEntries(violations)).toEqual({})
    expect(states).toBeGreaterThan(500)
  })

  test.each(fenceOmissions())('without $rule: $breaks', ({ model, breaks }) => {
    expect([...explore(model, { until: breaks }).violations.keys()]).toContain(breaks)
  })
})
