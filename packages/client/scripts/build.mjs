/**
 * `build.mjs browser [directory]`: livekv.js in dist/ (or there), one file for browsers with everything in it, which a LiveKV server serves.
 *
 * `build.mjs`: dist/package/, the package as others install it. Within the clone `@livekv/client` is its sources, so
 * this one has a manifest of its own:
 *
 *   index.js, types/   for programs with npm; socket.io-client stays a dependency, the protocol's types come along
 *   livekv.js          as above
 */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { build } from 'rolldown'

const CLIENT = resolve(import.meta.dirname, '..')
const DIST = join(CLIENT, 'dist')
const PACKAGE = join(DIST, 'package')
const input = join(CLIENT, 'src/index.ts')

const [, , what, where = DIST] = process.argv
if (what === 'browser') await buildBrowser(where)
else {
  rmSync(PACKAGE, { recursive: true, force: true })
  mkdirSync(PACKAGE, { recursive: true })
  const manifest = publishedManifest()
  writeFileSync(join(PACKAGE, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
  cpSync(join(CLIENT, 'README.md'), join(PACKAGE, 'README.md'))
  cpSync(join(CLIENT, '../../LICENSE'), join(PACKAGE, 'LICENSE'))
  await build({
    input,
    logLevel: 'warn',
    platform: 'neutral',
    external: Object.keys(manifest.dependencies),
    output: { file: join(PACKAGE, 'index.js'), format: 'esm' },
  })
  await buildBrowser(PACKAGE)
  buildTypes()
}

function publishedManifest() {
  const {
    private: _,
    scripts,
    devDependencies,
    files,
    ...manifest
  } = JSON.parse(readFileSync(join(CLIENT, 'package.json'), 'utf8'))
  return {
    ...manifest,
    exports: {
      '.': { types: './types/client/src/index.d.ts', default: './index.js' },
      './livekv.js': { types: './types/client/src/index.d.ts', default: './livekv.js' },
      './package.json': './package.json',
    },
  }
}

async function buildBrowser(directory) {
  await build({
    input,
    logLevel: 'warn',
    platform: 'browser',
    resolve: { conditionNames: ['browser', 'import', 'default'] },
    output: { file: join(directory, 'livekv.js'), format: 'esm', minify: true },
  })
}

/** TypeScript's own layout, which mirrors packages/, without what nothing public leads to. */
function buildTypes() {
  const tsc = join(createRequire(import.meta.url).resolve('typescript/package.json'), '../bin/tsc')
  execFileSync(process.execPath, [tsc, '-p', join(CLIENT, 'tsconfig.build.json')], { stdio: 'inherit' })
  const types = join(PACKAGE, 'types')
  const needed = new Set()
  const keep = (file) => {
    if (needed.has(file)) return
    needed.add(file)
    const protocol = join(types, 'protocol/src/index.d.ts')
    const relative = `${'../'.repeat(file.slice(types.length + 1).split(/[\\/]/).length - 1)}protocol/src/index.js`
    const text = readFileSync(file, 'utf8').replaceAll(
      /(from |import\()(['"])([^'"]+)\2/g,
      (whole, before, quote, specifier) => {
        if (specifier === '@livekv/protocol') {
          keep(protocol)
          return `${before}'${relative}'`
        }
        if (!specifier.startsWith('.')) return whole
        keep(join(dirname(file), specifier.replace(/\.ts$/, '.d.ts')))
        return `${before}${quote}${specifier.replace(/\.ts$/, '.js')}${quote}`
      },
    )
    writeFileSync(file, text)
  }
  keep(join(types, 'client/src/index.d.ts'))
  for (const name of readdirSync(types, { recursive: true, encoding: 'utf8' })) {
    if (name.endsWith('.ts') && !needed.has(join(types, name))) rmSync(join(types, name))
  }
}
