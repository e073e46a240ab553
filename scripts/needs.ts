import { globSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import {
  findChromium,
  findNginx,
  findPostgres,
  findRedis,
} from '../packages/server/test/services/binaries.ts'
import { findKafka } from '../packages/server/test/services/kafka-jars.ts'

const ROOT = resolve(import.meta.dirname, '..')
const SERVICE_TESTS = 'packages/*/test/**/*.service.test.ts'

/**
 * What some tests need from the machine, and Debian's packages of it. Which tests: the files of that name, or those
 * among them whose text mentions it.
 */
export const NEEDS = [
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

export interface TestFiles {
  files: string
  mention?: RegExp
}

export type NeedName = (typeof NEEDS)[number]['name']

/** Of a cluster. */
export const SERVICES: readonly NeedName[] = ['PostgreSQL 15 or later', 'Redis', 'Nginx', 'Kafka']

/** Those that are not on this machine. */
export function lacking(wanted?: readonly NeedName[]): (typeof NEEDS)[number][] {
  return NEEDS.filter(({ name, find }) => (wanted?.includes(name) ?? true) && !find())
}

/** The test files that need it, from the root of the repository. */
export function filesOf({ files, mention }: TestFiles): string[] {
  return globSync(files, { cwd: ROOT }).filter(
    (file) => mention?.test(readFileSync(join(ROOT, file), 'utf8')) ?? true,
  )
}

/** What the tests need that `npm test` runs with these arguments. Options may choose any: with one, it is everything. */
export function needsOf(args: readonly string[]): NeedName[] {
  const chosenBy = (file: string) => args.some((arg) => file.toLowerCase().includes(arg.toLowerCase()))
  const all = args.length === 0 || args.some((arg) => arg.startsWith('-'))
  return NEEDS.filter(({ tests }) => all || filesOf(tests).some(chosenBy)).map(({ name }) => name)
}
