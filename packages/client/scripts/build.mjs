/**
 * What is published, in dist/:
 *
 *   index.js and .d.ts   for programs with npm; socket.io-client stays a dependency
 *   livekv.js            one file for browsers, everything in it; a LiveKV server serves it as /livekv.js
 *
 * The types of the protocol come along, since that package is not published. `build.mjs browser` makes livekv.js only.
 */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { build } from 'rolldown'

const PACKAGE = resolve(import.meta.dirname, '..')
const DIST = join(PACKAGE, 'dist')
const input = join(PACKAGE, 'src/index.ts')

if (process.argv[2] === 'browser') await buildBrowser()
else {
  rmSync(DIST, { recursive: true, force: true })
  await build({
    input,
    logLevel: 'warn',
    platform: 'neutral',
    external: ['socket.io-client', 'socket.io-parser'],
    output: { file: join(DIST, 'index.js'), format: 'esm' },
  })
  await buildBrowser()
  buildTypes()
}

async function buildBrowser() {
  await build({
    input,
    logLevel: 'warn',
    platform: 'browser',
    resolve: { conditionNames: ['browser', 'import', 'default'] },
    output: { file: join(DIST, 'livekv.js'), format: 'esm', minify: true },
  })
}

function buildTypes() {
  const tsc = join(createRequire(import.meta.url).resolve('typescript/package.json'), '../bin/tsc')
  execFileSync(process.execPath, [tsc, '-p', join(PACKAGE, 'tsconfig.build.json')], { stdio: 'inherit' })
  // TypeScript mirrors packages/: its folders are put where they belong.
  renameSync(join(DIST, 'types/protocol/src'), join(DIST, 'types/client/src/protocol'))
  renameSync(join(DIST, 'types/client/src'), join(DIST, 'types-only'))
  rmSync(join(DIST, 'types'), { recursive: true })
  renameSync(join(DIST, 'types-only'), join(DIST, 'types'))
  for (const name of readdirSync(join(DIST, 'types'), { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.d.ts')) continue
    const file = join(DIST, 'types', name)
    const text = readFileSync(file, 'utf8')
      .replaceAll(/(['"])@livekv\/protocol\1/g, "'./protocol/index.js'")
      .replaceAll(/(['"])(\.\.?\/[^'"]+)\.ts\1/g, "'$2.js'")
    writeFileSync(file, text)
  }
}
