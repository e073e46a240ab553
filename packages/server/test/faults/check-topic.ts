import { show } from './check-writes.ts'
import type { LoggedChange, TopicRecord } from './records.ts'

const SHOWN_MISSING = 20

/** Each record of the topic is a change of the log, and every change above `since`, up to `through`, is there at least once. */
export function checkTopic(
  log: readonly LoggedChange[],
  records: readonly TopicRecord[],
  since: number,
  through = log.length,
): string[] {
  const problems: string[] = []
  for (const record of records) {
    const { change } = record
    const logged = log[change.revision - 1]
    const isRight =
      logged?.key === change.key &&
      record.key === change.key &&
      logged.op === change.op &&
      logged.value === change.value
    if (!isRight) problems.push(`the topic has ${show(record)}, the log ${show(logged)}`)
  }
  const missing = missingRevisions(records, since, through)
  if (missing.length > 0)
    problems.push(
      `the topic lacks ${missing.length} revisions above ${since}: ${missing.slice(0, SHOWN_MISSING).join(', ')}`,
    )
  return problems
}

export function missingRevisions(records: readonly TopicRecord[], since: number, through: number): number[] {
  const there = new Set(records.map(({ change }) => change.revision))
  const missing: number[] = []
  for (let revision = since + 1; revision <= through; revision++)
    if (!there.has(revision)) missing.push(revision)
  return missing
}
