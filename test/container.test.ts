import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { placeOf } from '../scripts/container.ts'
import { NEEDS, needsOf } from '../scripts/needs.ts'

const IN_CONTAINER = join(import.meta.dirname, '../scripts/in-container.ts')
const ALL = NEEDS.map(({ name }) => name)

describe('the place of a command', () => {
  const ask = (answer?: string) => {
    const asked = { times: 0 }
    const askDocker = () => {
      asked.times += 1
      return answer
    }
    return { asked, askDocker }
  }

  test('is here where nothing is missing, whatever else', () => {
    const { asked, askDocker } = ask()
    expect(placeOf({ missing: [], obstacle: 'not root', askDocker })).toEqual({ inContainer: false })
    expect(asked.times).toBe(0)
  })

  test('is here where it can be installed', () => {
    const { asked, askDocker } = ask()
    expect(placeOf({ missing: ['Redis'], obstacle: undefined, askDocker })).toEqual({ inContainer: false })
    expect(asked.times).toBe(0)
  })

  test('is a container where it cannot, and Docker answers', () => {
    const place = placeOf({ missing: ['Redis', 'Kafka'], obstacle: 'not root', askDocker: ask().askDocker })
    expect(place.inContainer).toBe(true)
    expect(place.line).toMatch(/Redis, Kafka.*not root.*container/)
  })

  test('is here, and says what would help, where Docker does not answer either', () => {
    const { askDocker } = ask('start Docker.')
    const place = placeOf({ missing: ['Chromium'], obstacle: 'not root', askDocker })
    expect(place.inContainer).toBe(false)
    expect(place.line).toMatch(/Chromium.*not root.*start Docker\.$/)
  })
})

test.each([
  { args: [], needs: ALL },
  { args: ['tail.test'], needs: [] },
  { args: ['store.service'], needs: ['PostgreSQL 15 or later'] },
  { args: ['KAFKA-bus.service'], needs: ['PostgreSQL 15 or later', 'Kafka'] },
  { args: ['tail.test', 'viewer.e2e'], needs: ['Chromium'] },
  // May choose anything.
  { args: ['-t', 'candles'], needs: ALL },
])('npm test -- $args needs $needs', ({ args, needs }) => {
  expect(needsOf(args)).toEqual(needs)
})

describe('in the container', () => {
  let folder: string
  let checkout: string
  const started: ChildProcess[] = []
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'livekv-container-'))
    checkout = join(folder, 'checkout')
    for (const name of ['scripts', 'node_modules', 'packages/a/node_modules', '.git', '.cache', 'data'])
      mkdirSync(join(checkout, name), { recursive: true })
    for (const name of ['copy/node_modules', 'copy/.cache', 'results'])
      mkdirSync(join(folder, name), { recursive: true })
  })
  afterEach(() => {
    for (const child of started.splice(0)) child.kill()
    rmSync(folder, { recursive: true, force: true })
  })

  function start(code: string, ...args: string[]) {
    writeFileSync(join(checkout, 'scripts/command.cjs'), code)
    const paths = [checkout, join(folder, 'copy'), join(folder, 'results')]
    const child = spawn(process.execPath, [IN_CONTAINER, ...paths, 'command.cjs', ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    started.push(child)
    return { child, ended: once(child, 'close').then(([code]) => code), output: text(child.stdout) }
  }

  test('a command runs in a copy of the sources, beside what earlier runs left', async () => {
    for (const name of ['node_modules/theirs', '.cache/theirs', 'data/theirs', 'packages/a/index.ts'])
      writeFileSync(join(checkout, name), '')
    writeFileSync(join(folder, 'copy/node_modules/ours'), '')
    const { ended, output } = start(
      `const { globSync } = require('node:fs')
      console.log(process.argv.slice(2).join(), globSync('{node_modules,.cache,data,packages}/**/*.*').concat(globSync('*/{ours,theirs}')).sort().join())
      process.exitCode = 3`,
      ...['one', '--two'],
    )
    expect(await ended).toBe(3)
    expect(await output).toBe('one,--two node_modules/ours,packages/a/index.ts\n')
    expect(existsSync(join(checkout, 'node_modules/theirs'))).toBe(true)
  })

  test('git knows what is a source', async () => {
    const { ended, output } = start(
      `require('node:fs').writeFileSync('new', '')
      console.log(require('node:child_process').execFileSync('git', ['status', '--porcelain', '--', 'new', 'scripts'], { encoding: 'utf8' }))`,
    )
    expect(await ended).toBe(0)
    expect((await output).trim()).toBe('A  scripts/command.cjs\n?? new')
  })

  test('the report is handed out, but not that of an earlier run', async () => {
    writeFileSync(join(folder, 'copy/.cache/test-report.json'), 'old')
    await start('').ended
    expect(existsSync(join(folder, 'results/test-report.json'))).toBe(false)
    await start(`require('node:fs').writeFileSync('.cache/test-report.json', 'new')`).ended
    expect(readFileSync(join(folder, 'results/test-report.json'), 'utf8')).toBe('new')
  })

  test('the command is ended when whoever started the container has gone', async () => {
    const { child, ended, output } = start(
      `process.on('SIGTERM', () => { console.log('bye'); process.exit(7) })
      setInterval(() => {}, 1e6)
      console.log('up')`,
    )
    child.stdout.once('data', () => child.stdin.end())
    expect(await ended).toBe(7)
    expect(await output).toBe('up\nbye\n')
  })
})
