'use strict'
// npm run cluster: install what is missing -> build the pages if they are stale -> instances behind Nginx, until Ctrl-C.
require('./require-node.cjs').requireNode(20)
require('./serve.cjs').serve('scripts/cluster.ts', process.argv.slice(2))
