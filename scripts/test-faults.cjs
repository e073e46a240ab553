'use strict'
// npm run test:faults: install what is missing -> a cluster under load, with one fault after the other.
require('./require-node.cjs').requireNode(20)
require('./run-script.cjs').runScript('scripts/test-faults.ts', process.argv.slice(2))
