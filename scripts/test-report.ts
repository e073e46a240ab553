import { readFileSync } from 'node:fs'
import { relative } from 'node:path'

export interface Totals {
  passed: number
  failed: number
  /** Test files, and single tests as `file > name`. */
  skipped: string[]
}

/** The part that is read of what Vitest's JSON reporter writes. */
interface Report {
  testResults: {
    name: string
    status: 'passed' | 'failed'
    assertionResults: { status: string; fullName: string }[]
  }[]
}

/** Adds what Vitest reported. A run that says less than its exit code counts as one failure more. */
export function addReport(file: string, exitCode: number | null, totals: Totals): void {
  const failedBefore = totals.failed
  for (const { name, status, assertionResults } of readReport(file)?.testResults ?? []) {
    const failedInOthers = totals.failed
    for (const test of assertionResults) {
      if (test.status === 'passed') totals.passed += 1
      // Pending: it had not ended when its process did.
      else if (test.status === 'failed' || test.status === 'pending') totals.failed += 1
      else totals.skipped.push(`${relative(process.cwd(), name)} > ${test.fullName}`)
    }
    // A file that could not be loaded, or a hook that failed.
    if (status === 'failed' && totals.failed === failedInOthers) totals.failed += 1
  }
  if (exitCode !== 0 && totals.failed === failedBefore) totals.failed += 1
}

function readReport(file: string): Report | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}
