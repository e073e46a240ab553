'use strict'
const path = require('node:path')
const { main, run } = require('./child.cjs')
const { ROOT, ensureInstalled } = require('./install.cjs')
const { ensurePages } = require('./pages.cjs')
const serverFlags = require('./server-flags.cjs')

/** Runs a program that serves the pages; ends when it does, with its exit code. */
function serve(program, args) {
  main(async () => {
    const node = await ensureInstalled()
    await ensurePages(node)
    return run(node, [...serverFlags, path.join(ROOT, program), ...args], { cwd: ROOT, show: true })
  })
}

module.exports = { serve }
