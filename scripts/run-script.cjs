'use strict'
const path = require('node:path')
const { main, run } = require('./child.cjs')
const { ROOT, ensureInstalled } = require('./install.cjs')

/** Installs what is missing and runs the script, on the pinned Node. */
function runScript(file, args) {
  main(async () => {
    const node = await ensureInstalled()
    return run(node, [path.join(ROOT, file), ...args], { cwd: ROOT, show: true })
  })
}

module.exports = { runScript }
