'use strict'
const path = require('node:path')
const { main, run } = require('./child.cjs')
const { ROOT, ensureInstalled } = require('./install.cjs')

function runTests(args) {
  main(async () => {
    const node = await ensureInstalled()
    return run(node, [path.join(ROOT, 'scripts/run-tests.ts'), ...args], { cwd: ROOT, show: true })
  })
}

module.exports = { runTests }
