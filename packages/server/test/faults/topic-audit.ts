import { checkTopic, missingRevisions } from './check-topic.ts'
import type { DatabaseReader } from './database.ts'
import { readTopic } from './topic-reader.ts'

/** What the bus lost is published again; this long at most after everything is well. */
const WITHIN_MS = 30_000

/** Everything that is committed now is in the topic, or comes; but what is not above `since`, when the topic was made. */
export async function auditTopic(
  brokers: string,
  topic: string,
  database: DatabaseReader,
  since: number,
): Promise<{ records: number; violations: string[] }> {
  const head = await database.head()
  const records = await readTopic(
    brokers,
    topic,
    (read) => missingRevisions(read, since, head).length === 0,
    WITHIN_MS,
  )
  return { records: records.length, violations: checkTopic(await database.log(), records, since, head) }
}
