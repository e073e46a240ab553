/**
 * What the fault test must notice, and say: `npm run mutants -- faults`. A run that fails for another reason, as a cluster
 * that does not start, proves nothing.
 */
import type { Mutation } from './mutations.ts'

const SERVER = 'packages/server/src'
const tests = ['packages/server/test/faults.service.test.ts']

export const FAULT_MUTATIONS: readonly Mutation[] = [
  {
    name: 'faults: cache items are believed unchecked',
    harm: 'a read gives an old value for as long as the cache keeps it',
    edits: [
      {
        file: `${SERVER}/key-value.ts`,
        find: 'if (!item || !tail.believes(key, item.asOf)) return undefined',
        replace: 'if (!item) return undefined',
      },
    ],
    violation: /reads .*the store has|is older than/,
    tests,
  },
  {
    name: 'faults: gaps are not filled',
    harm: 'what the bus lost is never shown',
    edits: [
      {
        file: `${SERVER}/live/hub.ts`,
        find: '      await catchUp(this, { ...this.#options, page: this.#page })\n',
        // As after a fill, without what it brings: an instance starts and is ready.
        replace: '      this.tail.jump(this.#knownHead)\n      this.#wakeWaiters()\n',
      },
    ],
    violation: /^VIOLATION stuck | had a cursor for \d+ and was not shown /,
    tests,
  },
  {
    name: 'faults: a write is acknowledged before the commit',
    harm: 'an acknowledged write is lost with the connection',
    edits: [
      {
        file: `${SERVER}/store/migrations/0002-commit.ts`,
        find: '    commit;\n    return;\n',
        replace: '    return;\n',
      },
      {
        file: `${SERVER}/store/migrations/0002-commit.ts`,
        find: '  commit;\nend\n$body$;\n\n-- Rules: fence-raises-epoch',
        replace: 'end\n$body$;\n\n-- Rules: fence-raises-epoch',
      },
      {
        file: `${SERVER}/store/database.ts`,
        find: '      const { rows } = await client.query({ ...statement, values })\n',
        replace: `      if (statement.name === 'livekv-commit') await client.query('begin')
      const { rows } = await client.query({ ...statement, values })\n`,
      },
      {
        file: `${SERVER}/store/database.ts`,
        find: 'inDoubt = sqlStateOf(error) === undefined || isFatal(error)\n',
        replace: 'inDoubt = true\n',
      },
      {
        file: `${SERVER}/store/database.ts`,
        find: '      this.#giveBack(client, inDoubt)\n',
        replace: `      if (statement.name === 'livekv-commit' && !inDoubt) {
        setTimeout(() => {
          client.query('commit').then(
            () => this.#giveBack(client, false),
            () => this.#giveBack(client, true),
          )
        }, 20)
      } else {
        this.#giveBack(client, inDoubt)
      }\n`,
      },
    ],
    violation: /^VIOLATION applied, but in the log as \[\]/,
    tests,
  },
  {
    name: 'faults: join after the snapshot',
    harm: 'what changes while a snapshot is read is missed',
    edits: [
      {
        file: `${SERVER}/live/watch.ts`,
        find: `    this.#sources.audience.join(this)\n`,
        replace: '',
      },
      {
        file: `${SERVER}/live/watch.ts`,
        find: `    if (isEnd && !this.#lostItsPlace) this.#phase = 'live'\n`,
        replace: `    if (isEnd) {\n      this.#sources.audience.join(this)\n      this.#phase = 'live'\n    }\n`,
      },
    ],
    violation: / had a cursor for \d+ and was not shown /,
    tests,
  },
  {
    name: 'faults: a commit is run again without the fence',
    harm: 'a write whose answer was lost is applied twice',
    edits: [
      {
        file: `${SERVER}/store/writer.ts`,
        find: `        this.#fenceFirst = true
        this.#log.warn(`,
        replace: '        this.#log.warn(',
      },
      {
        file: `${SERVER}/store/writer.ts`,
        find: `        const outcome = await this.#fence(deadline)
        if (outcome === undefined) throw unknown(error)
        if (outcome.batch === number) return outcome.result
`,
        replace: '',
      },
    ],
    violation: /^VIOLATION (applied|unknown), but in the log as \[\d+,|was answered as /,
    tests,
  },
  {
    name: 'faults: nothing is published again',
    harm: 'programs that read the topic miss what was lost between commit and publish',
    edits: [
      {
        file: `${SERVER}/bus/republisher.ts`,
        find: '      bus.republish(missing)\n',
        replace: '',
      },
    ],
    violation: /^VIOLATION the topic lacks/,
    tests,
  },
]
