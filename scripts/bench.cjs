'use strict'
// npm run bench: install what is missing -> measure.
require('./require-node.cjs').requireNode(20)
const path = require('node:path')
const { main, run } = require('./child.cjs')
const { ROOT, ensureInstalled } = require('./install.cjs')

main(async () => {
  const node = await ensureInstalled()
  return run(node, [path.join(ROOT, 'bench/run.ts'), ...process.argv.slice(2)], { cwd: ROOT, show: true })
})
