import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { addReport, type Totals } from '../scripts/test-report.ts'

const folder = mkdtempSync(join(tmpdir(), 'livekv-report-'))
afterAll(() => rmSync(folder, { recursive: true }))

function totalsOf(exitCode: number | null, files: { status: string; tests: string[] }[] | undefined): Totals {
  const file = join(folder, 'report.json')
  rmSync(file, { force: true })
  const testResults = files?.map(({ status, tests }) => ({
    name: join(process.cwd(), 'a.test.ts'),
    status,
    assertionResults: tests.map((of) => ({ status: of, fullName: `is ${of}` })),
  }))
  if (testResults) writeFileSync(file, JSON.stringify({ testResults }))
  const totals: Totals = { passed: 0, failed: 0, skipped: [] }
  addReport(file, exitCode, totals)
  return totals
}

test('counts what passed, failed and was left out', () => {
  const tests = ['passed', 'passed', 'failed', 'skipped', 'todo']
  expect(totalsOf(1, [{ status: 'failed', tests }])).toEqual({
    passed: 2,
    failed: 1,
    skipped: ['a.test.ts > is skipped', 'a.test.ts > is todo'],
  })
})

test('a file that could not be loaded has failed', () => {
  const files = [
    { status: 'failed', tests: [] },
    { status: 'failed', tests: ['failed'] },
  ]
  expect(totalsOf(1, files).failed).toBe(2)
})

test('a test whose process ended before it has failed', () => {
  expect(totalsOf(1, [{ status: 'passed', tests: ['passed', 'pending'] }])).toEqual({
    passed: 1,
    failed: 1,
    skipped: [],
  })
})

test('an exit code that the report does not explain has failed', () => {
  expect(totalsOf(1, [{ status: 'passed', tests: ['passed'] }])).toMatchObject({ passed: 1, failed: 1 })
  expect(totalsOf(null, undefined).failed).toBe(1)
})
