import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findChromium, findPostgres } from '../packages/server/test/services/binaries.ts'

/** What some tests need from the machine, the Vitest project they are in, and Debian's package of it. */
const NEEDS = [
  { name: 'PostgreSQL 15 or later', project: 'service', debianPackage: 'postgresql', find: findPostgres },
  { name: 'Chromium', project: 'browser', debianPackage: 'chromium', find: findChromium },
] as const

const CLUSTER_SETTINGS = '/etc/postgresql-common/createcluster.d'

export interface Unprovided {
  name: string
  /** The Vitest project that cannot run without it. */
  project: string
  why: string
}

/** Installs what is missing where that can be done without asking (Debian, as root); tells what is still missing. */
export function provision(logFolder: string): Unprovided[] {
  const missing = NEEDS.filter(({ find }) => !find())
  if (missing.length === 0) return []
  const packages = missing.map(({ debianPackage }) => debianPackage)
  const why = installDebian(packages, logFolder) ?? 'its package is too old or does not hold it'
  return missing.filter(({ find }) => !find()).map(({ name, project }) => ({ name, project, why }))
}

/** Returns why it could not, or nothing. */
function installDebian(packages: readonly string[], logFolder: string): string | undefined {
  const remedy = `install ${packages.join(' and ')}`
  if (!existsSync('/etc/debian_version')) return `this is not Debian: ${remedy} yourself`
  if (process.getuid?.() !== 0) return `not root: apt-get ${remedy}`
  console.log(`Installing ${packages.join(', ')} …`)
  mkdirSync(logFolder, { recursive: true })
  const logFile = join(logFolder, 'provision.log')
  const log = openSync(logFile, 'w')
  const forget = forbidMainCluster()
  try {
    for (const args of [['update'], ['install', '-y', '--no-install-recommends', ...packages]]) {
      const { status } = spawnSync('apt-get', ['-o', 'DPkg::Lock::Timeout=300', ...args], {
        stdio: ['ignore', log, log],
        env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      })
      if (status !== 0) return `apt-get ${args[0]} failed, see ${logFile}`
    }
    return undefined
  } finally {
    forget()
  }
}

/** Debian's package would make and start a cluster on port 5432; the tests make their own elsewhere. */
function forbidMainCluster(): () => void {
  const file = join(CLUSTER_SETTINGS, 'livekv-tests.conf')
  mkdirSync(CLUSTER_SETTINGS, { recursive: true })
  writeFileSync(file, 'create_main_cluster = false\n')
  return () => rmSync(file, { force: true })
}
