'use strict'
/**
 * For Node.js when it runs a server.
 *
 * Room for what is short-lived, in MiB: requests leave much of it, and at Node's default of 16 it is swept so often
 * that a server under load writes a tenth less. Costs up to 100 MB of memory.
 *
 * No protection keys for the pages of compiled code: where the processor has them, V8 now and then ends the process
 * with `Check failed: jit_page.has_value()` while a thread that runs WebAssembly, which the embedded store is, begins or
 * ends (github.com/nodejs/node/issues/64500).
 */
module.exports = ['--max-semi-space-size=64', '--no-memory-protection-keys']
