/** The fault run's clock: it begins with the healing, and what everybody knows then is none of its business. */
import { expect, test } from 'vitest'
import { checkHealed, type HealedWatcher } from './faults/heal-check.ts'

const log = {
  deletedSince: async (revision: number) => new Set(revision === 9 ? ['expired'] : []),
  head: async () => 9,
  latestChanges: async () => new Map([['k', { revision: 9, isDelete: false }]]),
}

const watcher = (part: Partial<HealedWatcher>): HealedWatcher => ({
  ...{ name: 'w', limitMs: 200, behind: () => [], hasLeft: () => false },
  ...part,
})

test('all is well where everybody knows everything, or comes to know it', async () => {
  let looks = 0
  const late = watcher({ behind: () => (++looks < 3 ? ['k at 8 instead of 9'] : []), limitMs: 60_000 })
  const { violations, head, slowestMs } = await checkHealed([watcher({}), late], log)
  expect(violations).toEqual([])
  expect(head).toBe(9)
  expect(slowestMs.get(60_000)).toBeGreaterThan(0)
})

test('whoever does not come to know it is named, with what it lacks', async () => {
  const stuck = watcher({ name: 'stuck one', behind: () => ['k at 8 instead of 9'] })
  const { violations } = await checkHealed([watcher({}), stuck], log)
  expect(violations).toEqual(['stuck 200 ms after healing at 9: stuck one: k at 8 instead of 9'])
})

test('nobody has to have been shown what is gone by now', async () => {
  const late = watcher({ behind: (latest) => [...latest.keys()].filter((key) => key === 'expired') })
  const had = { ...log, latestChanges: async () => new Map([['expired', { revision: 9, isDelete: false }]]) }
  expect((await checkHealed([late], had)).violations).toEqual([])
})

test('whoever has left owes nothing', async () => {
  const gone = watcher({ behind: () => ['k at 8 instead of 9'], hasLeft: () => true })
  expect((await checkHealed([gone], log)).violations).toEqual([])
})

test('a late look blames nobody who knows everything by then', async () => {
  expect((await checkHealed([watcher({ limitMs: 0 })], log)).violations).toEqual([])
})
