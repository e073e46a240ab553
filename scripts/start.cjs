'use strict'
// npm start: install what is missing -> build the pages if they are stale -> serve.
require('./require-node.cjs').requireNode(20)
require('./serve.cjs').serve('packages/server/src/main.ts', process.argv.slice(2))
