import fs from 'node:fs'
import pg from 'pg'
import { pino } from 'pino'
import { openEmbedded } from '../../src/store/embedded.ts'
import { appendRecord } from './journal.ts'

/**
 * Commits rows numbered without a gap and notes in the journal each number that was acknowledged, with what else
 * touches files in between: checkpoints, new and dropped tables, new log segments, vacuum.
 */
const [dataDir, commits] = [process.argv[2]!, Number(process.argv[3])]
const journal = fs.openSync(process.env.POWER_CUT_JOURNAL!, 'a')
const database = await openEmbedded({ dataDir, log: pino({ level: 'silent' }) })
const client = new pg.Client({ user: 'postgres', database: 'postgres', stream: () => database.connect() })
await client.connect()

const others = [
  'checkpoint',
  'create table scratch as select i, md5(i::text) from generate_series(1, 500) i',
  'select pg_switch_wal()',
  'vacuum rows',
  'checkpoint',
  'drop table scratch',
  'select pg_switch_wal()',
]
const ROWS_PER_PARTITION = 200
let [id, partitionsEnd] = [0, 1]
for (let commit = 1; commit <= commits; commit++) {
  const count = 1 + (commit % 7)
  if (id + count >= partitionsEnd) {
    const from = partitionsEnd
    partitionsEnd += ROWS_PER_PARTITION
    await client.query(
      `create table rows_${from} partition of rows for values from (${from}) to (${partitionsEnd})`,
    )
  }
  await client.query('select append_rows($1, $2)', [id + 1, count])
  id += count
  appendRecord((bytes) => fs.writeSync(journal, bytes), { op: 'acknowledged', upTo: id })
  if (commit % 13 === 0) await client.query(others[(commit / 13) % others.length]!)
}
process.exit(0)
