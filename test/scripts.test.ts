import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { run } from '../scripts/child.cjs'

const SCRIPTS = join(import.meta.dirname, '../scripts')
const ENTRIES = [
  ...['start.cjs', 'dev.cjs', 'demo.cjs', 'services.cjs', 'cluster.cjs'],
  ...['test.cjs', 'build.cjs', 'bench.cjs', 'mutants.cjs'],
]

describe('the commands of package.json', () => {
  test.each([...ENTRIES, 'require-node.cjs'])('%s holds nothing that an old Node cannot parse', (name) => {
    const code = readFileSync(join(SCRIPTS, name), 'utf8').replace(/\/\/.*/g, '')
    expect(code).not.toMatch(/=>|`|\b(const|let|class|async|await|import)\b|\.\.\.|\?\.|\?\?|,\s*\)/)
  })

  test.each(ENTRIES)('%s says on an old Node what is needed, and does nothing', async (name) => {
    const pretend = `Object.defineProperty(process.versions, 'node', { value: '18.20.4' }); require('./${name}')`
    const { code, output } = await run(process.execPath, ['-e', pretend], { cwd: SCRIPTS })
    expect(code).toBe(1)
    expect(output).toContain('needs Node.js 20 or newer to start; this is Node.js 18.20.4')
  })
})

describe('run', () => {
  test('gives the exit code and what was written', async () => {
    const ended = await run(process.execPath, [
      '-e',
      'console.log("out"); console.error("err"); process.exit(3)',
    ])
    expect(ended).toEqual({ code: 3, signal: null, output: expect.stringMatching(/out.*err|err.*out/s) })
  })

  test('passes SIGTERM on, waits for the program, and ends as it did', async () => {
    const inner = `process.on('SIGTERM', () => { console.log('bye'); process.exit(7) }); setInterval(() => {}, 1e6); process.kill(process.ppid, 'SIGTERM')`
    const outer = `
      const { main, run } = require('./child.cjs')
      main(() => run(process.execPath, ['-e', ${JSON.stringify(inner)}], { show: true }))`
    const { code, output } = await run(process.execPath, ['-e', outer], { cwd: SCRIPTS })
    expect(output).toBe('bye\n')
    expect(code).toBe(7)
  })

  test.runIf(process.platform === 'linux')('ends the program when npm is killed', async () => {
    const inner = `process.on('SIGTERM', () => { console.log('bye'); process.exit() }); setTimeout(() => {}, 30_000); console.log('up')`
    const outer = `require('./child.cjs').run(process.execPath, ['-e', process.env.INNER], { show: true })`
    // As npm does: a shell that stays between.
    const npm = `require('node:child_process').spawn('sh', ['-c', '"$NODE" -e "$OUTER"; true'], { stdio: 'inherit' })`
    const child = spawn(process.execPath, ['-e', npm], {
      cwd: SCRIPTS,
      env: {
        ...process.env,
        npm_lifecycle_event: 'start',
        NODE: process.execPath,
        INNER: inner,
        OUTER: outer,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let output = ''
    for await (const text of child.stdout.setEncoding('utf8')) {
      output += text
      if (text.includes('up')) child.kill('SIGKILL')
    }
    expect(output).toBe('up\nbye\n')
  })
})
