'use strict'
// npm run mutants: install what is missing -> tests in a copy with one fault at a time.
require('./require-node.cjs').requireNode(20)
const path = require('node:path')
const { main, run } = require('./child.cjs')
const { ROOT, ensureInstalled } = require('./install.cjs')

main(async () => {
  const node = await ensureInstalled()
  const args = [path.join(ROOT, 'scripts/mutants.ts'), ...process.argv.slice(2)]
  return run(node, args, { cwd: ROOT, show: true })
})
