'use strict'
const path = require('node:path')
const { main, run } = require('./child.cjs')
const { ROOT, ensureInstalled } = require('./install.cjs')
const { WEB, ensurePages, viteProgram } = require('./pages.cjs')

/**
 * Two watchers: one builds the pages again when they change (reload the browser to see them), one restarts the
 * server. When one ends, so does the other.
 */
function develop(args) {
  main(async () => {
    const node = await ensureInstalled()
    await ensurePages(node)
    const server = path.join(ROOT, 'packages/server/src/main.ts')
    const stop = new AbortController()
    const watchers = [
      run(node, [viteProgram(), 'build', '--watch', '--logLevel', 'warn'], {
        cwd: WEB,
        show: true,
        signal: stop.signal,
      }),
      run(node, ['--watch', '--watch-preserve-output', server, ...args], {
        cwd: ROOT,
        show: true,
        signal: stop.signal,
      }),
    ]
    const first = await Promise.race(watchers)
    stop.abort()
    await Promise.allSettled(watchers)
    return first
  })
}

module.exports = { develop }
