'use strict'
// npm test: install what is missing -> everything in run-tests.ts, on the pinned Node.
require('./require-node.cjs').requireNode(20)
require('./tests.cjs').runTests(process.argv.slice(2))
