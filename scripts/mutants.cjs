'use strict'
// npm run mutants: install what is missing -> tests in a copy with one fault at a time.
require('./require-node.cjs').requireNode(20)
require('./run-script.cjs').runScript('scripts/mutants.ts', process.argv.slice(2))
