'use strict'
const fs = require('node:fs')
const path = require('node:path')
const { run, stepFailed } = require('./child.cjs')

const ROOT = path.resolve(__dirname, '..')
const WINDOWS = process.platform === 'win32'
const PINNED_NODE = path.join(ROOT, 'node_modules', 'node', 'bin', WINDOWS ? 'node.exe' : 'node')

/**
 * Makes node_modules what package-lock.json says, and returns the path of the Node.js to run everything with.
 * When nothing is missing it only compares two files, so it works without a network.
 */
async function ensureInstalled() {
  if (!isInstalled()) {
    console.log('Installing packages (this once; about a minute) …')
    const installed = await npm(['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'])
    if (installed.code !== 0) {
      throw stepFailed(
        'npm ci failed (above). It needs the npm registry once: check the network or the proxy, then run the same command again.',
        installed,
      )
    }
  }
  return pinnedNode()
}

/**
 * npm keeps its own record of what it put into node_modules, and writes it last: an installation that was
 * broken off has none. Packages for other platforms are in the lock only.
 */
function isInstalled() {
  const wanted = readPackages(path.join(ROOT, 'package-lock.json'))
  const present = readPackages(path.join(ROOT, 'node_modules', '.package-lock.json'))
  if (!wanted || !present) return false
  return Object.entries(wanted).every(([location, { version, integrity, optional }]) => {
    if (!location.startsWith('node_modules/')) return true
    const found = present[location]
    return found ? found.version === version && found.integrity === integrity : optional === true
  })
}

function readPackages(file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8')).packages
  } catch {
    return undefined
  }
}

/**
 * The package `node` fetches the binary of this platform in an install script. Where npm is told not to run
 * those (`ignore-scripts`), the binary's own package, which needs none, is installed and put in its place.
 */
async function pinnedNode() {
  if (await works(PINNED_NODE)) return PINNED_NODE
  const version = pinnedVersion()
  if (hasOwnMajor(version)) return process.execPath

  console.log(`Installing Node.js ${version} for this project (the package "node" could not) …`)
  const home = path.join(ROOT, 'node_modules', '.node-binary')
  const quiet = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  const name = binaryPackage()
  fs.mkdirSync(home, { recursive: true })
  const installed = await npm(['install', '--prefix', home, ...quiet, `${name}@${version}`])
  if (installed.code === 0) {
    const binary = path.join(home, 'node_modules', name, 'bin', path.basename(PINNED_NODE))
    fs.mkdirSync(path.dirname(PINNED_NODE), { recursive: true })
    fs.rmSync(PINNED_NODE, { force: true })
    fs.renameSync(binary, PINNED_NODE)
    fs.rmSync(home, { recursive: true })
    if (await works(PINNED_NODE)) return PINNED_NODE
  }
  throw stepFailed(
    `Node.js ${version} is needed and ${name}@${version} could not be installed (above). Install Node.js ${parseInt(version, 10)} from https://nodejs.org yourself, then run the same command again.`,
    installed,
  )
}

function pinnedVersion() {
  const manifest = path.join(ROOT, 'node_modules', 'node', 'package.json')
  return JSON.parse(fs.readFileSync(manifest, 'utf8')).version
}

function binaryPackage() {
  if (WINDOWS) return `node-win-${process.arch}`
  const onAppleSilicon = process.platform === 'darwin' && process.arch === 'arm64'
  return `${onAppleSilicon ? 'node-bin' : 'node'}-${process.platform}-${process.arch}`
}

function hasOwnMajor(version) {
  return parseInt(process.versions.node, 10) >= parseInt(version, 10)
}

async function works(binary) {
  if (!fs.existsSync(binary)) return false
  return run(binary, ['--version']).then(
    ({ code }) => code === 0,
    () => false,
  )
}

/** The npm of the machine; not with the pinned Node, which `npm ci` takes away while it runs. */
function npm(args) {
  const own = path.join('node_modules', '.bin')
  const searched = (process.env.PATH || '').split(path.delimiter).filter((folder) => !folder.endsWith(own))
  const env = { ...process.env, PATH: searched.join(path.delimiter) }
  return run('npm', args, { cwd: ROOT, env, shell: WINDOWS })
}

module.exports = { ROOT, ensureInstalled }
