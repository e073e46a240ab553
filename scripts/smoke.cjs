'use strict'
// npm run smoke -- http://localhost: install what is missing -> ask a running deployment whether it works.
require('./require-node.cjs').requireNode(20)
require('./run-script.cjs').runScript('scripts/smoke.ts', process.argv.slice(2))
