'use strict'
/**
 * For Node.js when it runs a server. Room for what is short-lived, in MiB: requests leave much of it, and at Node's
 * default of 16 it is swept so often that a server under load writes a tenth less. Costs up to 100 MB of memory.
 */
module.exports = ['--max-semi-space-size=64']
