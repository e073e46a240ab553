'use strict'
// npm run bench: install what is missing -> measure.
require('./require-node.cjs').requireNode(20)
require('./run-script.cjs').runScript('bench/run.ts', process.argv.slice(2))
