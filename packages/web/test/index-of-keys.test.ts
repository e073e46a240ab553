import fc from 'fast-check'
import { expect, test } from 'vitest'
import { IndexOfKeys } from '../admin/index-of-keys.ts'

test('is a sorted set, whatever comes and goes', () => {
  const key = fc.constantFrom('', 'a', 'B', 'b', 'é', 'z/1', '🪙', '\uffff')
  fc.assert(
    fc.property(fc.array(key), fc.array(fc.tuple(fc.boolean(), key)), (start, steps) => {
      const model = new Set(start)
      const index = new IndexOfKeys(start)
      for (const [adding, one] of steps) {
        expect(adding ? index.add(one) : index.delete(one)).toBe(adding ? !model.has(one) : model.has(one))
        if (adding) model.add(one)
        else model.delete(one)
        expect(index.has(one)).toBe(adding)
      }
      expect(index.matching('')).toEqual([...model].sort())
      expect(index.matching('B')).toEqual([...model].sort().filter((one) => /b/i.test(one)))
      expect(index.size).toBe(model.size)
    }),
  )
})
