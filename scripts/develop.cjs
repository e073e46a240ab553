'use strict'
const path = require('node:path')
const { main, run } = require('./child.cjs')
const { ROOT, ensureInstalled } = require('./install.cjs')
const { WEB, ensurePages, viteProgram } = require('./pages.cjs')

/**
 * Two watchers: Vite serves the pages and changes them in the open browser, Node restarts the server. When one
 * ends, so does the other.
 */
function develop(args) {
  main(async () => {
    const node = await ensureInstalled()
    await ensurePages(node)
    const stop = new AbortController()
    const watch = (cwd, programAndArgs) => run(node, programAndArgs, { cwd, show: true, signal: stop.signal })
    const server = path.join(ROOT, 'packages/server/src/main.ts')
    const watchers = [
      watch(WEB, [viteProgram(), 'dev', '--clearScreen', 'false']),
      watch(ROOT, ['--watch', '--watch-preserve-output', server, ...args]),
    ]
    console.log('Pages that follow your changes: the address of Vite below with /admin or /viewer/KEY.')
    const first = await Promise.race(watchers)
    stop.abort()
    await Promise.allSettled(watchers)
    return first
  })
}

module.exports = { develop }
