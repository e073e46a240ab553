'use strict'
const path = require('node:path')
const { main, run } = require('./child.cjs')
const { ROOT, ensureInstalled } = require('./install.cjs')
const { ensurePages } = require('./pages.cjs')

/** Ends when the server does, with its exit code. */
function serve(args) {
  main(async () => {
    const node = await ensureInstalled()
    await ensurePages(node)
    return run(node, [path.join(ROOT, 'packages/server/src/main.ts'), ...args], { cwd: ROOT, show: true })
  })
}

module.exports = { serve }
