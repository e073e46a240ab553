'use strict'
// npm test: install what is missing -> everything in run-tests.ts, on the pinned Node.
require('./require-node.cjs').requireNode(20)
require('./run-script.cjs').runScript('scripts/run-tests.ts', process.argv.slice(2))
