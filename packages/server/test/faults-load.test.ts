/** What the fault run makes of an answer, and of a seed: the checker can only be as right as these. */
import { expect, test } from 'vitest'
import { FAULT_CLASSES, planRounds } from './faults/schedule.ts'
import { refusal } from './faults/write-channel.ts'

test('the same seed gives the same faults, another one others', () => {
  expect(planRounds(5, 40, 1_000)).toEqual(planRounds(5, 40, 1_000))
  expect(planRounds(5, 40, 1_000)).not.toEqual(planRounds(6, 40, 1_000))
})

test('every kind comes once before any comes again', () => {
  const plan = planRounds(7, FAULT_CLASSES, 1_000).flat()
  const kinds = new Set(plan.map(({ kind }) => kind))
  for (const kind of ['kill', 'pause', 'loseAnswers', 'deleteTopic', 'restartPostgres', 'killUnpublished'])
    expect(kinds).toContain(kind)
  for (const kind of ['darkKafka', 'reloadNginx', 'rollingRestart']) expect(kinds).toContain(kind)
  expect(plan.filter(({ kind }) => kind === 'kill')).toHaveLength(1)
})

test('connections are abandoned, to each service', () => {
  const abandoned = planRounds(7, 400, 1_000)
    .flat()
    .flatMap((fault) => (fault.kind === 'abandon' ? fault.service : []))
  expect(new Set(abandoned)).toEqual(new Set(['postgres', 'redis', 'kafka']))
})

test('a long run pauses an instance for longer than Kafka waits, now and then', () => {
  const plan = planRounds(7, 200, 1_000)
  expect(plan.flat()).toHaveLength(200)
  const long = plan.flatMap((round, index) => (round.some(({ kind }) => kind === 'longPause') ? index : []))
  expect(long).toEqual([2, 5, 8, 11])
  for (const fault of plan.flat())
    if (fault.kind === 'longPause') expect(fault.holdMs).toBeGreaterThan(35_000)
})

test.each([
  ['COMMIT_UNKNOWN', {}, 'unknown'],
  ['STORE_FAILED', { outcome: 'unknown' }, 'unknown'],
  ['STORE_FAILED', { outcome: 'not-applied' }, 'notApplied'],
  ['INTERNAL', {}, 'unknown'],
  ['SHUTTING_DOWN', {}, 'notApplied'],
  ['OVERLOADED', {}, 'notApplied'],
  ['RATE_LIMITED', {}, 'notApplied'],
  ['NO_SUCH_CODE', {}, 'unknown'],
])('%s %o leaves a write %s', (code, details, outcome) => {
  expect(refusal({ code, ...details }, 'here', 1).outcome).toBe(outcome)
})

test('an answer that is none of the server’s says nothing', () => {
  expect(refusal('<html>502 Bad Gateway</html>', '502', 1).outcome).toBe('unknown')
})

test('a condition that does not hold is decided, for each write of an atomic batch', () => {
  expect(refusal({ code: 'REVISION_CONFLICT', error: 'no', revision: 3 }, '412', 2)).toEqual({
    outcome: 'answered',
    items: [
      { status: 'refused', code: 'REVISION_CONFLICT' },
      { status: 'refused', code: 'REVISION_CONFLICT' },
    ],
  })
})
