/**
 * What container.ts runs in its container:
 *
 *   the checkout's sources -> a copy, beside the node_modules and .cache of earlier runs -> the command in it
 *     -> its test report goes to the folder of results
 *
 *   node in-container.ts CHECKOUT COPY RESULTS COMMAND [ARGUMENT…]
 *
 * Nothing is read from the input, but when it ends, whoever started the container has gone: so the command is ended.
 */
import { chownSync, copyFileSync, cpSync, existsSync, rmSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { type Ended, main, run } from './child.cjs'

const LEFT_BEHIND = ['.git', '.cache', 'data']
const REPORT = 'test-report.json'

main(() => {
  const [checkout = '', copy = '', results = '', command = '', ...args] = process.argv.slice(2)
  return runInCopy(checkout, copy, results, [join(copy, 'scripts', command), ...args])
})

async function runInCopy(
  checkout: string,
  copy: string,
  results: string,
  program: readonly string[],
): Promise<Ended> {
  const isSource = (path: string) =>
    !path.endsWith('/node_modules') && !LEFT_BEHIND.includes(relative(checkout, path))
  cpSync(checkout, copy, { recursive: true, filter: isSource })
  // A repository of its own: some tests ask what has changed.
  for (const step of [
    ['init', '--quiet'],
    ['add', '--all'],
  ])
    await run('git', step, { cwd: copy })
  const report = join(copy, '.cache', REPORT)
  rmSync(report, { force: true })

  process.stdin.on('end', () => process.kill(process.pid, 'SIGTERM')).resume()
  const ended = await run(process.execPath, program, {
    ...{ cwd: copy, show: true, stdio: ['ignore', 'inherit', 'inherit'] },
  })
  process.stdin.destroy()

  if (existsSync(report)) {
    const { uid, gid } = statSync(results)
    copyFileSync(report, join(results, REPORT))
    chownSync(join(results, REPORT), uid, gid)
  }
  return ended
}
