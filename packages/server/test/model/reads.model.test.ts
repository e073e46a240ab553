import { describe, expect, test } from 'vitest'
import { explore } from './explorer.ts'
import { readsModel } from './reads.model.ts'
import { allReadRules } from './reads.rules.ts'
import { READS_WORLDS, readsOmissions } from './scenarios.ts'

describe('reads and watchers, every reachable state', () => {
  test.each(Object.entries(READS_WORLDS))('%s: nothing breaks', (_, world) => {
    const { states, violations } = explore(readsModel({ ...world, rules: allReadRules() }))
    expect(Object.fromEntries(violations)).toEqual({})
    expect(states).toBeGreaterThan(10_000)
  })

  test.each(readsOmissions())('without $rule: $breaks', ({ model, breaks }) => {
    expect([...explore(model, { until: breaks }).violations.keys()]).toContain(breaks)
  })
})
