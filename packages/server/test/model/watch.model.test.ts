import { describe, expect, test } from 'vitest'
import { explore } from './explorer.ts'
import { watchModel } from './watch.model.ts'
import { allWatchRules } from './watch.rules.ts'
import { WATCH_WORLDS, watchOmissions } from './watch.scenarios.ts'

describe('a watch over connections and instances, every reachable state', () => {
  test.each(Object.entries(WATCH_WORLDS))(
    '%s: nothing breaks',
    (_, world) => {
      const { states, violations } = explore(watchModel({ ...world, rules: allWatchRules() }))
      expect(Object.fromEntries(violations)).toEqual({})
      expect(states).toBeGreaterThan(1_000)
    },
    120_000,
  )

  test.each(watchOmissions())(
    'without $rule: $breaks',
    ({ model, breaks }) => {
      expect([...explore(model, { until: breaks }).violations.keys()]).toContain(breaks)
    },
    60_000,
  )
})
