'use strict'
// npm run demo: install what is missing -> build the pages if they are stale -> serve a market that moves.
require('./require-node.cjs').requireNode(20)
require('./serve.cjs').serve('demo/main.ts', process.argv.slice(2))
