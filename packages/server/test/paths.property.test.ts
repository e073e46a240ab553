import fc from 'fast-check'
import { expect, test } from 'vitest'
import { KEYS, OPS, play, type Step } from './support/world.ts'

const EVERYTHING = { keys: [], prefixes: [''] }
const TWO_KEYS = { keys: ['a', 'b'], prefixes: [] }

const step: fc.Arbitrary<Step> = fc.record({
  // The store gets further oftener than the rest happens, or too much would hang in the air.
  op: fc.constantFrom(...OPS, 'execute', 'answer', 'get', 'getOld'),
  key: fc.constantFrom(...KEYS),
  n: fc.nat({ max: 20 }),
})

test.each([
  ['everything is watched', EVERYTHING],
  ['two keys are watched, and large gaps are jumped over', TWO_KEYS],
  ['everything is watched, and the Tail is soon full', { ...EVERYTHING, tailEntries: 1 }],
  ['two keys are watched, and the Tail is soon full', { ...TWO_KEYS, tailEntries: 1 }],
])(
  'no read and no watcher steps back, and all end at the latest value: %s',
  async (_, watched) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (steps) => {
        expect(await play(watched, steps)).toEqual([])
      }),
      { numRuns: 2_000 },
    )
  },
  120_000,
)

/** Rules that random steps rarely need; written as `op key n`. */
test.each([
  [
    'nothing older is believed of a key that was read as absent, also when its delete is no longer in the log',
    'foreignDelete a, foreignPut b, compact a 4, finish, finish, finish, get a, execute, answer, getOld a 3',
  ],
  [
    'the same of an absence that another instance has put into the cache',
    'foreignDelete a, foreignPut b, compact a 4, finish, finish, finish, getOld a 5, getOld a 3',
  ],
  [
    'the same when more keys were read as absent than are remembered',
    `foreignDelete a, foreignDelete b, foreignPut c, compact a 5, finish, finish, finish, getOld a 6, getOld b 6,
     getOld a 3`,
  ],
  [
    'a re-read that found a key absent says nothing about the change that happened to be the head',
    `finish, finish, finish, foreignDelete a, foreignPut b, compact a 4, catchUp, finish, finish, finish,
     foreignPut b, foreignPut b, finish, finish, bus a 5`,
  ],
])('%s', async (_, steps) => {
  expect(await play(EVERYTHING, parse(steps))).toEqual([])
})

function parse(steps: string): Step[] {
  return steps.split(',').map((text) => {
    const [op, key = 'a', n = '0'] = text.trim().split(' ')
    return { op: op as Step['op'], key, n: Number(n) }
  })
}
