import fc from 'fast-check'
import { expect, test } from 'vitest'
import { KEYS, OPS, playWatches, type WatchStep } from './support/watch-world.ts'

const step: fc.Arbitrary<WatchStep> = fc.record({
  // What gets further comes oftener than what begins, or too much would hang in the air.
  op: fc.constantFrom(
    ...OPS,
    'put',
    'execute',
    'answer',
    'finish',
    'finishAll',
    'connect',
    'connect',
    'take',
    'take',
  ),
  key: fc.constantFrom(...KEYS),
  n: fc.nat({ max: 40 }),
})

test.each([
  ['everything is read again after a cut of the log', { jumps: false, impatient: false }],
  ['large gaps are jumped over', { jumps: true, impatient: false }],
  ['instances do not wait for what a client has seen elsewhere', { jumps: false, impatient: true }],
])(
  'no watch steps back, and all end at the last value: %s',
  async (_, options) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 100, size: 'max' }), async (steps) => {
        expect(await playWatches(options, steps)).toEqual([])
      }),
      { numRuns: 3_000 },
    )
  },
  120_000,
)

/** What random steps rarely meet; written as `op key n`. */
test.each([
  [
    'the absence of a key whose delete is no longer in the log is not lost with the connection',
    { jumps: false, impatient: false },
    // Client 1 watches c, ab and a by name.
    `connect a 1, finishAll, take a 1, delete a, put ab, compact a 1, catchUp a 0, finishAll,
     take a 1, hangUp a 1, connect a 1, finishAll, takeAll a 1`,
  ],
  [
    'who begins to watch while nobody did counts, before a gap is jumped over',
    { jumps: true, impatient: false },
    'put a, put a, put a, put a, catchUp a 1, connect a 4, execute a 1, put a',
  ],
])('%s', async (_, options, steps) => {
  expect(await playWatches(options, parse(steps))).toEqual([])
})

function parse(steps: string): WatchStep[] {
  return steps.split(',').map((text) => {
    const [op, key = 'a', n = '0'] = text.trim().split(' ')
    return { op: op as WatchStep['op'], key, n: Number(n) }
  })
}
