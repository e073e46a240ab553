import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { MUTATIONS } from '../scripts/mutations.ts'

const ROOT = join(import.meta.dirname, '..')

test.each(MUTATIONS)('the mutation "$name" still has its place', ({ edits, tests }) => {
  for (const { file, find, replace } of edits) {
    expect(readFileSync(join(ROOT, file), 'utf8').split(find)).toHaveLength(2)
    expect(replace).not.toBe(find)
  }
  for (const file of tests) expect(readFileSync(join(ROOT, file), 'utf8')).toContain('test')
})

test('each mutation has a name of its own', () => {
  expect(new Set(MUTATIONS.map(({ name }) => name)).size).toBe(MUTATIONS.length)
})
