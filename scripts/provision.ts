import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findKafka, hasKafkaJars, provideKafka } from '../packages/server/test/services/kafka-jars.ts'
import { lacking, NEEDS, type NeedName, type TestFiles } from './needs.ts'

const CLUSTER_SETTINGS = '/etc/postgresql-common/createcluster.d'
const START_POLICY = '/usr/sbin/policy-rc.d'

export interface Unprovided {
  name: string
  why: string
  /** The tests that cannot run without it. */
  tests: TestFiles
}

/**
 * Installs and fetches what is missing where that can be done without asking (packages on Debian, as root; Kafka
 * where there is Maven); tells what is still missing.
 */
export async function provision(logFolder: string, wanted?: readonly NeedName[]): Promise<Unprovided[]> {
  const missing = lacking(wanted)
  let why: string | undefined
  if (missing.length > 0) {
    const packages = missing.flatMap((need) => need.packages)
    why = installDebian(packages, logFolder) ?? 'its package is too old or does not hold it'
  }
  const unprovided: Unprovided[] = []
  for (const { name, tests, find } of missing) if (!find()) unprovided.push({ name, tests, why: why! })
  if ((wanted?.includes('Kafka') ?? true) && findKafka() && !hasKafkaJars()) {
    console.log('Fetching Kafka (this once) …')
    await provideKafka().catch(({ message }: Error) => {
      const { name, tests } = NEEDS.find((need) => need.find === findKafka)!
      unprovided.push({ name, tests, why: message })
    })
  }
  return unprovided
}

/** Why packages cannot be installed here, or nothing. */
export function whyNotInstall(): string | undefined {
  if (!existsSync('/etc/debian_version')) return 'this is not Debian'
  if (process.getuid?.() !== 0) return 'not root'
  return undefined
}

/** Returns why it could not, or nothing. */
function installDebian(packages: readonly string[], logFolder: string): string | undefined {
  const obstacle = whyNotInstall()
  if (obstacle) return `${obstacle}: install ${packages.join(' ')} yourself, or install and start Docker`
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
