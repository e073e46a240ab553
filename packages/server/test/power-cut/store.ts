import { pino } from 'pino'
import type { EmbeddedDatabase } from '../../src/store/embedded.ts'
import { PostgresStore } from '../../src/store/postgres.ts'
import type { Store, Write } from '../../src/store/store.ts'

/** Its close leaves the engine open. */
export function openStoreOn(embedded: EmbeddedDatabase): Promise<PostgresStore> {
  const shared: EmbeddedDatabase = {
    connect: () => embedded.connect(),
    description: embedded.description,
    onFailure: (listener) => embedded.onFailure(listener),
    stats: embedded.stats,
    close: async () => {},
  }
  return PostgresStore.open({
    database: { embedded: shared },
    retention: { maxChanges: 1_000_000, maxAgeMs: undefined },
    log: pino({ level: 'silent' }),
    // So that tables of the log are made while the power may go.
    partitionSize: 250,
  })
}

const KEYS = 20
const keyOf = (revision: number) => `key${revision % KEYS}`
const jsonOf = (revision: number) => `{"n":${revision},"text":"${'x'.repeat(revision % 200)}"}`

/** Puts whose keys and values follow from the revisions they will get. */
export const numberedWrites = (firstRevision: number, count: number): Write[] =>
  Array.from({ length: count }, (_, index) => ({
    op: 'put',
    key: keyOf(firstRevision + index),
    json: jsonOf(firstRevision + index),
  }))

/** What is wrong; undefined when the log is whole up to what was acknowledged, and the entries are its fold. */
export async function verifyStore(store: Store, acknowledged: number): Promise<string | undefined> {
  const head = await store.head()
  if (head < acknowledged) return `acknowledged ${acknowledged}, the head is ${head}`
  let revision = 0
  while (revision < head) {
    const { changes } = await store.changesSince(revision, 5000)
    if (changes.length === 0) return `the log of ${head} ends at ${revision}`
    for (const change of changes) {
      revision++
      if (change.revision !== revision || change.key !== keyOf(revision) || change.json !== jsonOf(revision))
        return `in place of ${revision} there is ${JSON.stringify(change)}`
    }
  }
  const { entries } = await store.list({ limit: 1000 })
  if (entries.length !== Math.min(head, KEYS)) return `${entries.length} entries at ${head}`
  const wrong = entries.find(
    (entry) => entry.revision <= head - KEYS || entry.json !== jsonOf(entry.revision),
  )
  return wrong && `at ${head} an entry is ${JSON.stringify(wrong)}`
}
