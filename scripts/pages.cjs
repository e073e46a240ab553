'use strict'
const crypto = require('node:crypto')
const fs = require('node:fs')
const path = require('node:path')
const { main, run, stepFailed } = require('./child.cjs')
const { ROOT, ensureInstalled } = require('./install.cjs')

const WEB = path.join(ROOT, 'packages', 'web')
const STAMP = path.join(WEB, 'dist', '.sources')
const CLIENT = path.join(ROOT, 'packages', 'client')
const LIVEKV_JS = path.join(CLIENT, 'dist', 'livekv.js')
const SOURCES = [
  'packages/web',
  'packages/protocol/src',
  'packages/client/src',
  'packages/client/scripts',
  'package-lock.json',
]
const NOT_SOURCES = new Set(['dist', 'node_modules', 'test'])

/** Builds the pages and the browsers' client unless both were made from exactly the present sources. */
async function ensurePages(node) {
  const sources = fingerprint()
  if (read(STAMP) === sources && fs.existsSync(LIVEKV_JS)) return
  console.log('Building the pages …')
  const built = await run(node, [viteProgram(), 'build', '--logLevel', 'warn'], { cwd: WEB })
  if (built.code !== 0) throw stepFailed('The pages could not be built (above).', built)
  const client = await run(node, [path.join(CLIENT, 'scripts', 'build.mjs'), 'browser'], { cwd: CLIENT })
  if (client.code !== 0) throw stepFailed('packages/client could not be built (above).', client)
  fs.writeFileSync(STAMP, sources)
}

function build() {
  main(async () => {
    await ensurePages(await ensureInstalled())
    return { code: 0 }
  })
}

/** Vite's command line, where npm put it: in the workspace or at the root. */
function viteProgram() {
  return path.join(path.dirname(require.resolve('vite/package.json', { paths: [WEB] })), 'bin', 'vite.js')
}

function fingerprint() {
  const hash = crypto.createHash('sha256')
  for (const source of SOURCES) addTo(hash, path.join(ROOT, source))
  return hash.digest('hex')
}

function addTo(hash, file) {
  if (!fs.statSync(file).isDirectory()) {
    const content = fs.readFileSync(file)
    hash.update(`${path.relative(ROOT, file)}\n${content.length}\n`).update(content)
    return
  }
  for (const name of fs.readdirSync(file).sort()) {
    if (!NOT_SOURCES.has(name)) addTo(hash, path.join(file, name))
  }
}

function read(file) {
  try {
    return fs.readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

module.exports = { WEB, build, ensurePages, viteProgram }
