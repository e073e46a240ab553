import { expect } from 'vitest'
import type { DrainResult } from './drain-run.ts'

export function checkDrain(result: DrainResult, output: string): void {
  expect(result.problems).toEqual([])
  expect(result.exitCode, output).toBe(0)
  expect(result.acknowledged.size).toBeGreaterThan(0)
  // What was acknowledged is there, and what was taken was also acknowledged.
  expect(result.found).toEqual(result.acknowledged)
  expect(result.goingAway).toEqual({ withinMs: expect.any(Number) })
  expect(result.classic).toEqual({ reason: 'transport close', reconnects: true })
  // Asked before the signal had arrived, it may still have been ready.
  expect(result.readiness.filter((each) => !/^200 |^503 \d+$|^refused$/.test(each))).toEqual([])
}
