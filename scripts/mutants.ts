/**
 * `npm run mutants`: can the tests of the live protocol fail? `npm run mutants -- faults`: can the fault test?
 *
 *   a copy of the packages -> its tests pass -> each mutation: made in the copy, its tests must fail, taken back
 *
 * With arguments: only the mutations whose name holds one of them; those of the fault test, which takes minutes each
 * time, are tried only then, and count as caught only if it prints a violation of the kind that they cause. Ends with 0
 * if all were caught.
 */
import { spawn } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { main } from './child.cjs'
import { FAULT_MUTATIONS } from './fault-mutations.ts'
import { caught, MUTATIONS, type Mutation, type Outcome } from './mutations.ts'

const ROOT = resolve(import.meta.dirname, '..')
const LIMIT_MS = 180_000
/** Of the fault test, which starts and ends a whole cluster. */
const FAULTS_LIMIT_MS = 900_000
const MAX_OUTPUT_CHARS = 200_000
const SHOWN_VIOLATIONS = 3
const SHOWN_CHARS = 500

main(() => tryMutants(process.argv.slice(2)))

async function tryMutants(names: readonly string[]): Promise<{ code: number }> {
  const chosen =
    names.length === 0
      ? MUTATIONS
      : [...MUTATIONS, ...FAULT_MUTATIONS].filter(({ name }) => names.some((part) => name.includes(part)))
  const folder = mkdtempSync(join(tmpdir(), 'livekv-mutants-'))
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      rmSync(folder, { recursive: true, force: true })
      process.exit(1)
    })
  }
  try {
    copyTree(folder)
    const tests = [...new Set(chosen.flatMap((mutation) => mutation.tests))]
    console.log(`Unchanged, ${tests.length} test files must pass …`)
    const unchanged = await runTests(folder, tests)
    if (unchanged.outcome !== 'passed') {
      console.log(`${unchanged.output}\nThe tests do not pass without any mutation (${unchanged.outcome}).`)
      return { code: 1 }
    }
    let missed = 0
    for (const mutation of chosen) {
      const started = performance.now()
      const takeBack = mutate(folder, mutation)
      const { outcome, output } = await runTests(folder, mutation.tests)
      takeBack()
      const violations = caught(mutation, { outcome, output })
      if (violations === undefined) missed++
      const seconds = ((performance.now() - started) / 1000).toFixed(0).padStart(4)
      console.log(
        `${violations ? 'caught' : 'MISSED'} ${outcome.padEnd(10)}${seconds} s  ${mutation.name}: ${mutation.harm}`,
      )
      const [, logs] = / logs in (\S+)/.exec(output) ?? []
      if (logs !== undefined) rmSync(logs, { recursive: true, force: true })
      const shown = violations ?? output.split('\n').filter((line) => line.startsWith('VIOLATION '))
      for (const line of shown.slice(0, SHOWN_VIOLATIONS)) console.log(`  ${line.slice(0, SHOWN_CHARS)}`)
    }
    console.log(`\n${chosen.length - missed} of ${chosen.length} mutations caught`)
    return { code: missed > 0 ? 1 : 0 }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The packages, with everything that is installed linked; only our own packages are those of the copy. */
function copyTree(folder: string): void {
  for (const name of ['package.json', 'vitest.config.ts', 'packages', 'deploy', 'scripts']) {
    cpSync(join(ROOT, name), join(folder, name), {
      recursive: true,
      filter: (source) => !/[/\\](node_modules|dist)$/.test(source),
    })
  }
  // Kafka, where it was fetched.
  mkdirSync(join(ROOT, '.cache'), { recursive: true })
  symlinkSync(join(ROOT, '.cache'), join(folder, '.cache'))
  const installed = join(ROOT, 'node_modules')
  const own = join(folder, 'node_modules', '@livekv')
  mkdirSync(own, { recursive: true })
  for (const name of readdirSync(installed)) {
    if (name !== '@livekv') symlinkSync(join(installed, name), join(folder, 'node_modules', name))
  }
  for (const name of readdirSync(join(folder, 'packages'))) {
    symlinkSync(join(folder, 'packages', name), join(own, name))
  }
}

/** Returns what takes it back. */
function mutate(folder: string, { name, edits }: Mutation): () => void {
  const before = new Map<string, string>()
  for (const { file, find, replace } of edits) {
    const path = join(folder, file)
    const text = readFileSync(path, 'utf8')
    const parts = text.split(find)
    if (parts.length !== 2) {
      throw new Error(
        `Mutation "${name}": ${JSON.stringify(find)} is ${parts.length - 1} times in ${file}, not once.`,
      )
    }
    if (!before.has(path)) before.set(path, text)
    writeFileSync(path, parts.join(replace))
  }
  return () => {
    for (const [path, text] of before) writeFileSync(path, text)
  }
}

function runTests(folder: string, tests: readonly string[]): Promise<{ outcome: Outcome; output: string }> {
  const isService = tests.some((file) => file.endsWith('.service.test.ts'))
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--project=unit', '--bail=1']
  if (isService) vitest.push('--project=service')
  const child = spawn(process.execPath, [...vitest, ...tests], {
    cwd: folder,
    env: { ...process.env, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: isService ? FAULTS_LIMIT_MS : LIMIT_MS,
    killSignal: 'SIGKILL',
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-MAX_OUTPUT_CHARS)
    })
  }
  return new Promise((done, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      const outcome = signal ? 'no end' : code === 0 ? 'passed' : 'failed'
      // Else the mutation is no code, or the file could not be loaded.
      if (outcome === 'failed' && !/Tests .*\d+ failed/.test(output))
        reject(new Error(`No test failed:\n${output}`))
      else done({ outcome, output })
    })
  })
}
