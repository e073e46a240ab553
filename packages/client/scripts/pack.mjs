/**
 * The end of `npm pack`: npm has packed this directory, with the manifest of the clone. What others install is
 * dist/package, as build.mjs has left it; its tarball takes the place of npm's. So nothing that is under version
 * control is ever changed, however a pack ends.
 */
import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

const {
  INIT_CWD,
  npm_config_dry_run: isDry,
  npm_config_loglevel: loglevel,
  npm_config_pack_destination: asked = '.',
  npm_execpath: npm,
  npm_package_version: version,
} = process.env
const tarball = join(resolve(INIT_CWD, asked), `livekv-client-${version}.tgz`)

if (isDry !== 'true') {
  rmSync(tarball)
  execFileSync(process.execPath, [npm, 'pack', '--silent', '--pack-destination', dirname(tarball)], {
    cwd: join(import.meta.dirname, '../dist/package'),
    // A workspace was asked for from its root; this directory is none.
    env: { ...process.env, npm_config_workspace: undefined, npm_config_local_prefix: undefined },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  if (loglevel !== 'silent')
    console.error(`${tarball} holds dist/package. What npm lists below is the clone.`)
}
