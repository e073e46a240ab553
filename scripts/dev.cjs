'use strict'
// npm run dev: install what is missing -> serve, and on every change build the pages or restart the server.
require('./require-node.cjs').requireNode(20)
require('./develop.cjs').develop(process.argv.slice(2))
