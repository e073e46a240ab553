import fs from 'node:fs'
import { connect, open } from '../embedded/client.ts'
import { appendRecord } from './journal.ts'
import { numberedWrites, openStoreOn } from './store.ts'

/**
 * Commits through the store, and notes in the journal each revision that was acknowledged. Between rounds, what
 * else touches files: checkpoints, new and dropped tables, new segments of the write-ahead log, vacuum.
 */
const [dataDir, rounds] = [process.argv[2]!, Number(process.argv[3])]
const COMMITS_PER_ROUND = 40
const OTHERS = [
  ['checkpoint', 'create table scratch as select i, md5(i::text) from generate_series(1, 500) i'],
  ['select pg_switch_wal()', 'vacuum entries'],
  ['drop table scratch', 'checkpoint', 'select pg_switch_wal()'],
]

const journal = fs.openSync(process.env.POWER_CUT_JOURNAL!, 'a')
const embedded = await open(dataDir)
let revision = 0
for (let round = 0; round < rounds; round++) {
  const store = await openStoreOn(embedded)
  for (let commit = 0; commit < COMMITS_PER_ROUND; commit++) {
    const writes = numberedWrites(revision + 1, 1 + (commit % 7))
    await store.commit(writes)
    revision += writes.length
    appendRecord((bytes) => fs.writeSync(journal, bytes), { op: 'acknowledged', revision })
  }
  await store.close()
  const client = await connect(embedded)
  for (const statement of OTHERS[round % OTHERS.length]!) await client.query(statement)
  await client.end()
}
process.exit(0)
