/**
 * What `npm test` runs, once the packages are there:
 *
 *   checks (format and lint, types, pages build) -> what the machine lacks is installed -> Vitest -> closing line
 *
 * or all of that in a container, where what is lacking cannot be installed (container.ts).
 *
 * With arguments they go to Vitest and the checks are left out: `npm test -- store` runs the test files whose
 * path holds "store". The last line is `N passed, N failed`, with `, N skipped` where there are any; in CI
 * (`CI` is set) what is skipped has failed.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { main, run } from './child.cjs'
import { runInContainer } from './container.ts'
import { filesOf, needsOf } from './needs.ts'
import { provision, type Unprovided } from './provision.ts'
import { addReport, type Totals } from './test-report.ts'

const ROOT = resolve(import.meta.dirname, '..')
const CACHE = join(ROOT, '.cache')
const NODE = process.execPath

const CHECKS: readonly { name: string; command: readonly string[] }[] = [
  { name: 'format and lint', command: ['node_modules/@biomejs/biome/bin/biome', 'check', '.'] },
  { name: 'types', command: ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'] },
  {
    name: 'types of the pages',
    command: ['node_modules/typescript/bin/tsc', '-p', 'packages/web/tsconfig.json'],
  },
  { name: 'build of the pages', command: ['scripts/build.cjs'] },
]

main(() => runTests(process.argv.slice(2)))

async function runTests(args: readonly string[]): Promise<{ code: number | null }> {
  const needs = needsOf(args)
  const ended = await runInContainer('test.cjs', args, needs)
  if (ended) return ended
  const inCi = ![undefined, '', 'false', '0'].includes(process.env.CI)
  const totals: Totals = { passed: 0, failed: 0, skipped: [] }
  mkdirSync(CACHE, { recursive: true })

  if (args.length === 0) for (const check of CHECKS) await runCheck(check, totals)
  else await runCheck(CHECKS[CHECKS.length - 1]!, totals)
  const unprovided = await provision(CACHE, needs)
  await runVitest(args, unprovided, totals)
  tellSkipped(unprovided, totals)

  // A filter by name skips the rest on purpose.
  const skipsFail = inCi && args.length === 0
  const failed = totals.failed + (skipsFail ? totals.skipped.length : 0)
  const skipped = totals.skipped.length > 0 ? `, ${totals.skipped.length} skipped` : ''
  if (skipsFail && skipped) console.log('Nothing may be skipped in CI: each of these counts as failed.')
  console.log(`\n${totals.passed} passed, ${failed} failed${skipsFail ? '' : skipped}`)
  return { code: failed > 0 ? 1 : 0 }
}

async function runCheck({ name, command }: (typeof CHECKS)[number], totals: Totals): Promise<void> {
  const startedMs = performance.now()
  const { code, signal, output } = await run(NODE, command, { cwd: ROOT })
  if (signal) process.kill(process.pid, signal)
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
  if (code === 0) totals.passed += 1
  else totals.failed += 1
  console.log(` ${code === 0 ? '✓' : '✗'} ${name} ${seconds} s`)
  if (code !== 0) console.log(output)
}

async function runVitest(
  args: readonly string[],
  unprovided: readonly Unprovided[],
  totals: Totals,
): Promise<void> {
  const report = join(CACHE, 'test-report.json')
  rmSync(report, { force: true })
  const { code, signal } = await run(
    NODE,
    [
      ...['node_modules/vitest/vitest.mjs', 'run', '--reporter=default'],
      ...['--reporter=json', `--outputFile.json=${report}`],
      ...skippedFiles(unprovided).map((file) => `--exclude=${file}`),
      ...args,
    ],
    { cwd: ROOT, show: true },
  )
  if (signal) process.kill(process.pid, signal)
  addReport(report, code, totals)
}

function tellSkipped(unprovided: readonly Unprovided[], totals: Totals): void {
  if (unprovided.length > 0) {
    for (const { name, why } of unprovided) console.log(`\n${name} could not be provided (${why}).`)
    const files = skippedFiles(unprovided)
    console.log(`Skipped for want of that:\n  ${files.join('\n  ')}`)
    totals.skipped.push(...files)
  }
  const tests = totals.skipped.filter((name) => name.includes(' > '))
  if (tests.length > 0) console.log(`\nSkipped by the tests themselves:\n  ${tests.join('\n  ')}`)
}

function skippedFiles(unprovided: readonly Unprovided[]): string[] {
  return [...new Set(unprovided.flatMap(({ tests }) => filesOf(tests)))].sort()
}
