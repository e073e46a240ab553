import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { pino } from 'pino'
import { type EmbeddedDatabase, openEmbedded } from '../../src/store/embedded.ts'

/** In memory where there is such a place: what ends a process leaves a page cache, so a disk would only be slower. */
export function scratchDirectory(): string {
  return fs.mkdtempSync(path.join(fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir(), 'livekv-test-'))
}

export const open = (dataDir: string): Promise<EmbeddedDatabase> =>
  openEmbedded({ dataDir, log: pino({ level: 'silent' }) })

export async function connect(database: EmbeddedDatabase): Promise<pg.Client> {
  const client = new pg.Client({ user: 'postgres', database: 'postgres', stream: () => database.connect() })
  // Told through the statement that fails.
  client.on('error', () => {})
  await client.connect()
  return client
}

/** Rows numbered without a gap, each in a commit with a counter; see `verifyRows`. */
export const ROWS_SCHEMA = `
  create table rows (id bigint primary key, text text not null) with (fillfactor = 70);
  create table counter (id int primary key, last bigint not null);
  insert into counter values (1, 0);
  create function append_rows(count int) returns bigint language plpgsql as $$
  declare first bigint;
  begin
    update counter set last = last + count where id = 1 returning last - count into first;
    insert into rows select first + i, repeat(md5((first + i)::text), 8) from generate_series(1, count) i;
    return first + count;
  end $$`

/** What is wrong; undefined when all acknowledged rows are there, each once, none torn. */
export async function verifyRows(client: pg.Client, acknowledged: number): Promise<string | undefined> {
  const { rows } = await client.query(`select count(*)::int, coalesce(max(id), 0)::int as last,
    (select last::int from counter) as counter,
    count(*) filter (where text <> repeat(md5(id::text), 8))::int as torn from rows`)
  const { count, last, counter, torn } = rows[0]
  if (last >= acknowledged && count === last && counter === last && torn === 0) return undefined
  return `acknowledged ${acknowledged}, found ${JSON.stringify(rows[0])}`
}
