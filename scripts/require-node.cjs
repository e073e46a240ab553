'use strict'
// Parsed by whatever Node is there, however old: ES5 only in this file and in the four that load it.

exports.requireNode = function requireNode(major) {
  var found = process.versions.node
  if (parseInt(found, 10) >= major) return
  // biome-ignore lint/style/useTemplate: a template literal is not ES5
  console.error('LiveKV needs Node.js ' + major + ' or newer to start; this is Node.js ' + found + '.')
  console.error('Install the current LTS from https://nodejs.org (npm comes with it), then try again.')
  process.exit(1)
}
