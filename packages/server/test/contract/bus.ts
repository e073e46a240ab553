import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Bus } from '../../src/bus/bus.ts'
import type { Change } from '../../src/store/store.ts'

export interface OpenedBus {
  /** Of two instances on one bus; may be the same. Not subscribed yet. */
  first: Bus
  second: Bus
  close(): Promise<void>
}

/** What every Bus must do, as cases registered for one implementation. */
export function busContract(name: string, open: () => Promise<OpenedBus>): void {
  describe(`bus contract: ${name}`, () => {
    let opened: OpenedBus
    const heard = { first: [] as Change[], second: [] as Change[] }
    let revision = 0
    const put = (json: string, key = 'gold'): Change => {
      const at = Date.parse('2026-03-01T10:00:00.123Z')
      return { key, revision: ++revision, at, time: at - 60_000, json }
    }
    const heardBy = (who: 'first' | 'second', changes: readonly Change[]) =>
      expect
        .poll(() =>
          changes.every(({ revision }) => heard[who].some((change) => change.revision === revision)),
        )
        .toBe(true)

    beforeAll(async () => {
      opened = await open()
      await opened.first.subscribe((changes) => heard.first.push(...changes))
      await opened.second.subscribe((changes) => heard.second.push(...changes))
    })
    afterAll(async () => {
      await opened?.close()
    })

    test('carries from each instance to the other', async () => {
      const [there, back] = [put('1'), put('2')]
      opened.first.publish([there])
      opened.second.publish([back])
      await heardBy('second', [there])
      await heardBy('first', [back])
      await expect.poll(() => opened.first.problem).toBeNull()
      await expect.poll(() => opened.second.problem).toBeNull()
    })

    test('brings a change as it was: digits, any text, times, deletes', async () => {
      const changes = [
        put('18.930'),
        put('1.0e+30'),
        put('{"b":1,  "a":"\\u00e9\\n","op":"delete"}'),
        put('"é ☕ ,\\"op\\":\\"put\\",\\"value\\":"', 'a"b\\c,"op":"put","value":☕'),
        put('null'),
        { ...put('0', 'gone'), json: null },
      ]
      opened.first.publish(changes)
      await heardBy('second', changes)
      for (const change of changes) {
        expect(heard.second.find(({ revision }) => revision === change.revision)).toEqual(change)
      }
    })

    test('many at once arrive, those of one key in their order', async () => {
      const changes = Array.from({ length: 5_000 }, (_, n) => put(`${n}`, `key-${n % 7}`))
      for (let n = 0; n < changes.length; n += 500) opened.first.publish(changes.slice(n, n + 500))
      await heardBy('second', changes)
      const first = changes[0]!.revision
      const arrived = heard.second.filter(({ revision }) => revision >= first)
      for (let n = 0; n < 7; n++) {
        const revisions = arrived.filter(({ key }) => key === `key-${n}`).map((change) => change.revision)
        expect(revisions).toEqual(revisions.toSorted((a, b) => a - b))
      }
    })

    test('nothing published is no event, and after the close publishing does nothing', async () => {
      opened.first.publish([])
      const last = put('3')
      opened.first.publish([last])
      // A bus that closes sends what waits.
      await opened.first.close()
      if (opened.first !== opened.second) await heardBy('second', [last])
      opened.first.publish([put('4')])
      await opened.first.close()
    })
  })
}
