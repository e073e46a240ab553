import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RevisionRanges } from '../src/bus/revision-ranges.ts'

const MAX = 40

test('answers as a plain set does', () => {
  const revision = fc.integer({ min: 1, max: MAX })
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.tuple(fc.constant('add' as const), revision, fc.nat({ max: 3 })) },
    { weight: 1, arbitrary: fc.tuple(fc.constant('forget' as const), revision, fc.constant(0)) },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const ranges = new RevisionRanges()
      let plain = new Set<number>()
      let forgotten = 0
      for (const [what, from, more] of steps) {
        if (what === 'add') {
          ranges.add(from, from + more)
          for (let r = from; r <= from + more; r++) plain.add(r)
        } else {
          ranges.forgetThrough(from)
          forgotten = Math.max(forgotten, from)
          plain = new Set([...plain].filter((r) => r > from))
        }
      }
      for (let r = forgotten + 1; r <= MAX + 5; r++) expect(ranges.has(r)).toBe(plain.has(r))
      for (let r = forgotten; r <= MAX + 5; r++) {
        let through = r
        while (plain.has(through + 1)) through++
        expect(ranges.through(r)).toBe(through)
        const missing = ranges.missingAbove(r)
        expect(missing.from).toBe(through + 1)
        const next = [...plain].filter((p) => p > through).sort((a, b) => a - b)[0]
        expect(missing.to).toBe(next === undefined ? Number.POSITIVE_INFINITY : next - 1)
      }
    }),
  )
})

test('past its limit the lowest count as missing, never a higher one', () => {
  const ranges = new RevisionRanges(3)
  for (const revision of [2, 4, 6, 8, 10]) ranges.add(revision)
  expect(ranges.size).toBe(3)
  expect([2, 4, 6, 8, 10].filter((revision) => ranges.has(revision))).toEqual([6, 8, 10])
})
