import { afterEach, beforeEach, expect, test } from 'vitest'
import { ArrivalGate } from '../src/live/arrival-gate.ts'
import { Hub } from '../src/live/hub.ts'
import { Tail } from '../src/live/tail.ts'
import type { Change } from '../src/store/store.ts'

/** A log that answers when it is told to. */
class HeldLog {
  head = 0
  asked = 0
  isAway = false
  #held: (() => void)[] = []
  isHeld = false

  async readHead(): Promise<number> {
    this.asked++
    const { head } = this
    if (this.isHeld) await new Promise<void>((resolve) => this.#held.push(resolve))
    if (this.isAway) throw new Error('away')
    return head
  }

  letGo(): void {
    this.isHeld = false
    for (const go of this.#held.splice(0)) go()
  }

  changesSince(revision: number) {
    const changes = Array.from(
      { length: this.head - revision },
      (_, index): Change => ({ key: 'k', revision: revision + index + 1, at: 0, time: 0, json: '1' }),
    )
    return { head: this.head, changes }
  }
}

let log: HeldLog
let hub: Hub
let gate: ArrivalGate
beforeEach(async () => {
  log = new HeldLog()
  const never = () => Promise.reject(new Error('not asked for here'))
  const store = {
    head: () => log.readHead(),
    changesSince: async (revision: number) => log.changesSince(revision),
    latestChanges: async () => ({ head: log.head, changes: [] }),
    get: never,
    list: never,
  }
  const tail = new Tail({ maxEntries: 100, maxBytes: 1_000_000 })
  const watched = { keys: () => [], prefixes: () => [''], known: () => [] }
  // Polls so seldom that it learns of nothing by itself here.
  hub = new Hub({ store, tail, watched, log: { warn() {} }, pollMs: 3_600_000 })
  await hub.start()
  gate = new ArrivalGate({ hub, store })
})
afterEach(() => hub.close())

const admission = (): { admittedAt: number | undefined; cancel: () => void } => {
  const state = { admittedAt: undefined as number | undefined, cancel: () => {} }
  state.cancel = gate.admit(() => {
    state.admittedAt = hub.contiguous
  })
  return state
}

test('whoever comes is admitted once the head of that moment was reached', async () => {
  log.head = 7
  const one = admission()
  expect(one.admittedAt).toBeUndefined()
  await expect.poll(() => one.admittedAt).toBe(7)
})

test('a thousand who come at once cost one read, those who come meanwhile one more', async () => {
  log.isHeld = true
  log.head = 3
  const first = Array.from({ length: 1_000 }, admission)
  await expect.poll(() => log.asked).toBe(1)
  const second = Array.from({ length: 1_000 }, admission)
  log.letGo()
  await expect.poll(() => [...first, ...second].every(({ admittedAt }) => admittedAt === 3)).toBe(true)
  expect(log.asked).toBe(2)
})

test('a read that had begun before somebody came says nothing for them', async () => {
  log.isHeld = true
  const early = admission()
  await expect.poll(() => log.asked).toBe(1)
  const late = admission()
  log.head = 5
  log.letGo()
  await expect.poll(() => late.admittedAt).toBe(5)
  expect(early.admittedAt).toBe(0)
  expect(log.asked).toBe(2)
})

test('while the log does not answer nobody is admitted, and then everybody', async () => {
  log.isAway = true
  log.head = 2
  const waiting = [admission(), admission()]
  await expect.poll(() => log.asked, { timeout: 10_000 }).toBeGreaterThan(2)
  expect(waiting.map(({ admittedAt }) => admittedAt)).toEqual([undefined, undefined])
  log.isAway = false
  await expect.poll(() => waiting.map(({ admittedAt }) => admittedAt), { timeout: 10_000 }).toEqual([2, 2])
})

test('whoever has left is not admitted, and nothing more is asked for them', async () => {
  log.isAway = true
  const left = admission()
  await expect.poll(() => log.asked).toBeGreaterThan(0)
  left.cancel()
  log.isAway = false
  const stays = admission()
  await expect.poll(() => stays.admittedAt, { timeout: 10_000 }).toBe(0)
  expect(left.admittedAt).toBeUndefined()
  const { asked } = log
  await new Promise((resolve) => setTimeout(resolve, 500))
  expect(log.asked).toBe(asked)
})
