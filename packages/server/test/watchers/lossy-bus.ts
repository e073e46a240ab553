import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { Committer } from '../../src/committer.ts'
import { openEmbedded } from '../../src/store/embedded.ts'
import { PostgresStore } from '../../src/store/postgres.ts'
import type { Change, Write } from '../../src/store/store.ts'
import type { LoggedChange } from '../sigkill/check-log.ts'
import { type LiveServer, type LiveStore, startLiveServer } from '../support/live-server.ts'
import type { Field } from './field.ts'

const INSTANCES = 2
/** So little of the log is kept that an instance which stood still for a moment finds it cut. */
const KEPT_CHANGES = 500
const PARTITION = 500
const MAX_LATE_MS = 2_000
const MAX_STILL_MS = 4_000

/**
 * Two instances over one embedded store that others write to: of each change an instance is told at once, late, twice
 * or never, and now and then it gets no answer of the log for seconds, while the log is cut.
 */
export async function startLossyField(
  dataDir: string,
  random: () => number,
): Promise<Field & { close(): Promise<void> }> {
  const log = pino({ level: 'silent' })
  const store = await PostgresStore.open({
    database: { embedded: await openEmbedded({ dataDir, log }) },
    retention: { maxChanges: KEPT_CHANGES, maxAgeMs: undefined },
    partitionSize: PARTITION,
    log,
  })
  const written: Change[] = []
  const instances: Instance[] = []
  for (let n = 0; n < INSTANCES; n++) instances.push(await Instance.start(store))
  const committer = new Committer({
    store,
    onCommitted(changes) {
      for (const change of changes) written[change.revision - 1] = change
      for (const instance of instances) instance.hear(changes, random)
    },
  })
  return {
    ports: instances.map(({ server }) => Number(new URL(server.url).port)),
    mayReset: true,
    async write(writes) {
      await committer.submit(
        writes.map((write): Write => {
          const { key } = write
          return write.op === 'put'
            ? { op: 'put', key, json: JSON.stringify(write.value) }
            : { op: 'delete', key }
        }),
      )
    },
    async disturb(random, signal) {
      while (!signal.aborted) {
        await sleep(random() * 3_000)
        await instances[Math.floor(random() * INSTANCES)]!.standStill(random() * MAX_STILL_MS)
      }
    },
    async entries() {
      const latest = new Map(written.map((change) => [change.key, change]))
      return [...latest.values()].flatMap(({ key, json, revision }) =>
        json === null ? [] : [{ key, value: JSON.parse(json), revision }],
      )
    },
    log: async () => written.map(loggedOf),
    async close() {
      await committer.close()
      for (const { server } of instances) await server.close()
      await store.close()
    },
  }
}

class Instance {
  readonly server: LiveServer
  /** Until then its questions about the log get no answer. */
  readonly #still: { until: Promise<unknown> }

  static async start(store: PostgresStore): Promise<Instance> {
    const still = { until: Promise.resolve() as Promise<unknown> }
    const ownStore: LiveStore = {
      info: store.info,
      commit: (writes) => store.commit(writes),
      get: (keys) => store.get(keys),
      list: (page) => store.list(page),
      listRevisions: (page) => store.listRevisions(page),
      latestChanges: (limit) => store.latestChanges(limit),
      async changesSince(revision, limit) {
        await still.until
        return store.changesSince(revision, limit)
      },
      async head() {
        await still.until
        return store.head()
      },
    }
    return new Instance(await startLiveServer(ownStore, { tailMaxEntries: 20 }), still)
  }

  private constructor(server: LiveServer, still: { until: Promise<unknown> }) {
    this.server = server
    this.#still = still
  }

  hear(changes: readonly Change[], random: () => number): void {
    const { hub } = this.server
    for (const change of changes) {
      const dice = random()
      if (dice < 0.6) hub.receive([change])
      if (dice > 0.5 && dice < 0.8) setTimeout(() => hub.receive([change]), random() * MAX_LATE_MS).unref()
    }
  }

  async standStill(ms: number): Promise<void> {
    this.#still.until = sleep(ms)
    await this.#still.until
  }
}

function loggedOf({ key, json, revision }: Change): LoggedChange {
  return json === null
    ? { key, op: 'delete', revision }
    : { key, op: 'put', value: JSON.parse(json), revision }
}
