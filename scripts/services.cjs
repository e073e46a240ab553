'use strict'
// npm run services: install what is missing -> PostgreSQL, Redis and Kafka, until Ctrl-C.
require('./require-node.cjs').requireNode(20)
require('./run-script.cjs').runScript('scripts/services.ts', process.argv.slice(2))
