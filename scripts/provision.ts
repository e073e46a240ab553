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

const SERVICE_TESTS = 'packages/*/test/**/*.service.test.ts'

/**
 * What some tests need from the machine, and Debian's packages of it. Which tests: the files of that name, or those
 * among them whose text mentions it.
 */
const NEEDS = [
  {
    name: 'PostgreSQL 15 or later',
    packages: ['postgresql'],
    find: findPostgres,
    tests: { files: SERVICE_TESTS },
  },
  {
    name: 'Redis',
    packages: ['redis-server'],
    find: findRedis,
    tests: { files: SERVICE_TESTS, mention: /redis|cluster|faults\//i },
  },
  {
    name: 'Nginx',
    packages: ['nginx-light'],
    find: findNginx,
    tests: { files: SERVICE_TESTS, mention: /nginx|cluster|faults\//i },
  },
  {
    name: 'Kafka',
    packages: ['default-jre-headless', 'maven'],
    find: findKafka,
    tests: { files: SERVICE_TESTS, mention: /kafka|cluster|faults\//i },
  },
  {
    name: 'Chromium',
    packages: ['chromium'],
    find: findChromium,
    tests: { files: 'packages/*/test/**/*.e2e.test.ts' },
  },
] as const satisfies readonly Need[]

interface Need {
  name: string
  packages: readonly string[]
  find: () => unknown
  tests: TestFiles
}

const CLUSTER_SETTINGS = '/etc/postgresql-common/createcluster.d'
const START_POLICY = '/usr/sbin/policy-rc.d'

interface TestFiles {
  files: string
  mention?: RegExp
}

export interface Unprovided {
  name: string
  why: string
  /** The tests that cannot run without it. */
  tests: TestFiles
}

export type NeedName = (typeof NEEDS)[number]['name']

/** Of a cluster. */
export const SERVICES: readonly NeedName[] = ['PostgreSQL 15 or later', 'Redis', 'Nginx', 'Kafka']

/**
 * Installs and fetches what is missing where that can be done without asking (packages on Debian, as root; Kafka
 * where there is Maven); tells what is still missing.
 */
export async function provision(logFolder: string, wanted?: readonly NeedName[]): Promise<Unprovided[]> {
  const missing = NEEDS.filter(({ name, find }) => (wanted?.includes(name) ?? true) && !find())
  let why: string | undefined
  if (missing.length > 0) {
    const packages = missing.flatMap((need) => need.packages)
    why = installDebian(packages, logFolder) ?? 'its package is too old or does not hold it'
  }
  const unprovided: Unprovided[] = []
  for (const { name, tests, find } of missing) if (!find()) unprovided.push({ name, tests, why: why! })
  if (findKafka() && !hasKafkaJars()) {
    console.log('Fetching Kafka (this once) …')
    await provideKafka().catch(({ message }: Error) => {
      const { name, tests } = NEEDS.find((need) => need.find === findKafka)!
      unprovided.push({ name, tests, why: message })
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
