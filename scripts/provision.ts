import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  findChromium,
  findNginx,
  findPostgres,
  findRedis,
} from '../packages/server/test/services/binaries.ts'
import { findKafka, hasKafkaJars, provideKafka } from '../packages/server/test/services/kafka-jars.ts'

/** What some tests need from the machine, the Vitest project they are in, and Debian's packages of it. */
const NEEDS = [
  { name: 'PostgreSQL 15 or later', project: 'service', packages: ['postgresql'], find: findPostgres },
  { name: 'Redis', project: 'service', packages: ['redis-server'], find: findRedis },
  { name: 'Nginx', project: 'service', packages: ['nginx-light'], find: findNginx },
  {
    name: 'Java 17 or later and Maven, for Kafka',
    project: 'service',
    packages: ['default-jre-headless', 'maven'],
    find: findKafka,
  },
  { name: 'Chromium', project: 'browser', packages: ['chromium'], find: findChromium },
] as const

const CLUSTER_SETTINGS = '/etc/postgresql-common/createcluster.d'
const START_POLICY = '/usr/sbin/policy-rc.d'

export interface Unprovided {
  name: string
  /** The Vitest project that cannot run without it. */
  project: string
  why: string
}

/**
 * Installs and fetches what is missing where that can be done without asking (packages on Debian, as root; Kafka
 * where there is Maven), for one Vitest project or for all; tells what is still missing.
 */
export async function provision(logFolder: string, only?: string): Promise<Unprovided[]> {
  const missing = NEEDS.filter(({ project, find }) => (only ?? project) === project && !find())
  let why: string | undefined
  if (missing.length > 0) {
    const packages = missing.flatMap((need) => need.packages)
    why = installDebian(packages, logFolder) ?? 'its package is too old or does not hold it'
  }
  const unprovided: Unprovided[] = []
  for (const { name, project, find } of missing) if (!find()) unprovided.push({ name, project, why: why! })
  if (findKafka() && !hasKafkaJars()) {
    console.log('Fetching Kafka (this once) …')
    await provideKafka().catch(({ message }: Error) => {
      unprovided.push({ name: 'Kafka', project: 'service', why: message })
    })
  }
  return unprovided
}

/** Returns why it could not, or nothing. */
function installDebian(packages: readonly string[], logFolder: string): string | undefined {
  const remedy = `install ${packages.join(' ')}`
  if (!existsSync('/etc/debian_version')) return `this is not Debian: ${remedy} yourself`
  if (process.getuid?.() !== 0) return `not root: apt-get ${remedy}`
  console.log(`Installing ${packages.join(', ')} …`)
  mkdirSync(logFolder, { recursive: true })
  const logFile = join(logFolder, 'provision.log')
  const log = openSync(logFile, 'w')
  const undo = [forbidMainCluster(), forbidStarts()]
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
    for (const step of undo) step()
  }
}

/** Debian's packages of Redis and Nginx would start them on their usual ports, where others may be at home. */
function forbidStarts(): () => void {
  if (existsSync(START_POLICY)) return () => {}
  writeFileSync(START_POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  return () => rmSync(START_POLICY, { force: true })
}

/** Debian's package would make and start a cluster on port 5432; the tests make their own elsewhere. */
function forbidMainCluster(): () => void {
  const file = join(CLUSTER_SETTINGS, 'livekv-tests.conf')
  mkdirSync(CLUSTER_SETTINGS, { recursive: true })
  writeFileSync(file, 'create_main_cluster = false\n')
  return () => rmSync(file, { force: true })
}
