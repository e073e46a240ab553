#!/usr/bin/env node
// Starts src/main.ts with the Node 24 that the workspace installs. Parsed by any Node, however old: it
// only has to find that one, and pass on standard streams, signals and the exit code.

// biome-ignore-start lint/style/useNodejsImportProtocol: old Nodes do not know the prefix
const childProcess = require('child_process')
const fs = require('fs')
const path = require('path')
// biome-ignore-end lint/style/useNodejsImportProtocol: old Nodes do not know the prefix

function pinnedNode() {
  const name = process.platform === 'win32' ? 'node.exe' : 'node'
  let directory = path.dirname(__dirname)
  for (;;) {
    const candidate = path.join(directory, 'node_modules', 'node', 'bin', name)
    if (fs.existsSync(candidate)) return candidate
    const parent = path.dirname(directory)
    if (parent === directory) break
    directory = parent
  }
  return parseInt(process.versions.node, 10) >= 24 ? process.execPath : null
}

const node = pinnedNode()
if (node === null) {
  console.error(
    `livekv needs Node 24 and this is ${process.version}. Run "npm install" in the LiveKV folder: it brings its own.`,
  )
  process.exit(1)
}

const main = path.join(__dirname, '..', 'src', 'main.ts')
const child = childProcess.spawn(node, [main].concat(process.argv.slice(2)), { stdio: 'inherit' })

// In a terminal Ctrl-C reaches the child by itself; here it must only not end the launcher before the child.
process.on('SIGINT', () => {
  if (!process.stdin.isTTY) child.kill('SIGINT')
})
;['SIGTERM', 'SIGHUP'].forEach((signal) => {
  process.on(signal, () => {
    child.kill(signal)
  })
})
child.on('error', (error) => {
  console.error(`livekv: cannot start ${node}: ${error.message}`)
  process.exit(1)
})
child.on('exit', (code, signal) => {
  if (signal === null) process.exit(code)
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
})
