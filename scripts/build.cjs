'use strict'
// npm run build: install what is missing -> build the pages if they are stale.
require('./require-node.cjs').requireNode(20)
require('./pages.cjs').build()
