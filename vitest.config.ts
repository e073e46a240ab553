import { basename } from 'node:path'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

const ALL = ['packages/*/test/**/*.test.ts', 'test/**/*.test.ts']
const SERVICE = ['packages/*/test/**/*.service.test.ts']
const BROWSER = ['packages/*/test/**/*.e2e.test.ts']

/** They take half a minute or more, the longest first: begun last, one would run alone at the end. */
const LONGEST = [
  'faults.service.test.ts',
  'watchers.test.ts',
  'writer.service.test.ts',
  'kafka-faults.service.test.ts',
  'database-away.service.test.ts',
  'embedded-power-cut.test.ts',
  'sigkill.test.ts',
  'sigkill.service.test.ts',
  'watchers.service.test.ts',
]

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const place = LONGEST.indexOf(basename(moduleId))
      return place < 0 ? LONGEST.length : place
    }
    const sorted = await super.sort(files)
    return sorted.sort((one, other) => groupOf(one) - groupOf(other) || rank(one) - rank(other))
  }
}

function groupOf({ project }: TestSpecification): number {
  return project.config.sequence.groupOrder
}

/**
 * Three projects, one after the other: what needs nothing, what needs real servers (PostgreSQL, Redis, Kafka,
 * Nginx), what needs a browser. At most two files at a time, so that the tests of faults and
 * of load keep a core for the server they start.
 * The timeouts only end what hangs; no test may depend on them.
 */
const common = {
  environment: 'node',
  pool: 'forks',
  // As the server: tests open the embedded store again and again, see scripts/server-flags.cjs.
  execArgv: ['--no-memory-protection-keys'],
  testTimeout: 120_000,
  hookTimeout: 120_000,
  expect: { poll: { timeout: 30_000 } },
} as const

// biome-ignore lint/style/noDefaultExport: Vitest reads the default export
export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          ...common,
          name: 'unit',
          include: ALL,
          exclude: [...SERVICE, ...BROWSER, '**/node_modules/**'],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...common,
          name: 'service',
          include: SERVICE,
          globalSetup: ['packages/server/test/services/shared-services.ts'],
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...common,
          name: 'browser',
          include: BROWSER,
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})
