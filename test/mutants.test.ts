import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { FAULT_MUTATIONS } from '../scripts/fault-mutations.ts'
import { MUTATIONS } from '../scripts/mutations.ts'

const ROOT = join(import.meta.dirname, '..')

const ALL = [...MUTATIONS, ...FAULT_MUTATIONS]

test.each(ALL)('the mutation "$name" still has its place', ({ edits, tests }) => {
  for (const { file, find, replace } of edits) {
    expect(readFileSync(join(ROOT, file), 'utf8').split(find)).toHaveLength(2)
    expect(replace).not.toBe(find)
  }
  for (const file of tests) expect(readFileSync(join(ROOT, file), 'utf8')).toContain('test')
})

test('each mutation has a name of its own', () => {
  expect(new Set(ALL.map(({ name }) => name)).size).toBe(ALL.length)
})
