import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { FAULT_MUTATIONS } from '../scripts/fault-mutations.ts'
import { caught, MUTATIONS } from '../scripts/mutations.ts'

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

test('a mutation of the fault test is caught only by a violation of its kind', () => {
  for (const { name, violation } of FAULT_MUTATIONS) expect(violation, name).toBeDefined()
  const mutation = { violation: /^VIOLATION stuck / }
  const printed = (...lines: string[]) => ({ outcome: 'failed' as const, output: lines.join('\n') })
  const broken = 'VIOLATION the faults broke off: An instance did not start'
  const stuck = 'VIOLATION stuck 5000 ms after healing'
  expect(caught(mutation, printed('1 failed', broken))).toBeUndefined()
  expect(caught(mutation, printed(`expected: ${stuck}`))).toBeUndefined()
  expect(caught(mutation, { outcome: 'no end', output: '' })).toBeUndefined()
  expect(caught(mutation, { outcome: 'passed', output: '' })).toBeUndefined()
  expect(caught(mutation, printed(broken, stuck))).toEqual([stuck, broken])
})

test('any other is caught by a test that fails, and not by one that has no end', () => {
  expect(caught({}, { outcome: 'failed', output: '1 failed' })).toEqual([])
  expect(caught({}, { outcome: 'no end', output: '' })).toBeUndefined()
  expect(caught({}, { outcome: 'passed', output: '' })).toBeUndefined()
})
