/**
 * `exports` of package.json, before and after `npm pack`: within the clone the package is its sources, published it
 * is dist/.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const FILE = join(import.meta.dirname, '../package.json')
const EXPORTS = {
  source: { '.': './src/index.ts' },
  published: {
    '.': { types: './dist/types/index.d.ts', default: './dist/index.js' },
    './livekv.js': './dist/livekv.js',
    './package.json': './package.json',
  },
}

const exports = EXPORTS[process.argv[2]]
if (!exports) throw new Error(`Say one of ${Object.keys(EXPORTS).join(', ')}.`)
const manifest = JSON.parse(readFileSync(FILE, 'utf8'))
writeFileSync(FILE, `${JSON.stringify({ ...manifest, exports }, null, 2)}\n`)
