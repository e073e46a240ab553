import type { SnapshotFrame, WatchAnswer, WatchRequest } from '@livekv/protocol'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { LiveKVError } from '../src/index.ts'
import type { Link } from '../src/link.ts'
import type { WatchEvent } from '../src/watch-event.ts'
import { Watcher } from '../src/watcher.ts'
import { Watches } from '../src/watches.ts'

/** Watches over a link that the test holds in its hands: what a server does seldom, or in another order. */

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

class HeldLink {
  readonly asked: (WatchRequest & { answer(answer: WatchAnswer | object): Promise<void> })[] = []
  readonly ended: string[] = []

  request(event: string, payload: WatchRequest, early?: (answer: unknown) => void): Promise<unknown> {
    const { promise, resolve } = Promise.withResolvers<unknown>()
    if (event === 'unwatch') this.ended.push(payload.watch)
    else {
      const answer = async (answer: object) => {
        early?.(answer)
        resolve(answer)
        await vi.advanceTimersByTimeAsync(0)
      }
      this.asked.push({ ...payload, answer })
    }
    return promise
  }
}

function opened() {
  const watches = new Watches(() => {})
  const link = new HeldLink()
  const up = () => watches.up(link as unknown as Link)
  const story: string[] = []
  const tell = (event: WatchEvent) => {
    if ('key' in event) story.push(`${event.type} ${event.key[0]}${event.revision}`)
    else if (event.type !== 'state') story.push(event.type)
  }
  const watch = (selection: ConstructorParameters<typeof Watcher>[1]) =>
    new Watcher(
      watches,
      selection,
      () => ({ name: 'live', since: 0 }),
      tell,
      () => {},
    )
  const take = async () => {
    await vi.advanceTimersByTimeAsync(0)
    return story.splice(0)
  }
  up()
  return { watches, link, up, watch, take }
}

const begun = (reset = false) => ({ reset, resumed: false, storeId: 's' })
const whole = (watch: string, key: string, revision: number): SnapshotFrame => ({
  watch,
  entries: [{ key, value: 0, revision, updatedAt: '', time: '' }],
  end: true,
  cursor: 'c',
})

test('a reset that reaches the parts of a long list one after the other leaves nothing out', async () => {
  const { watches, link, up, watch, take } = opened()
  const [a, b] = ['a', 'b'].map((letter) => letter.repeat(150_000)) as [string, string]
  watch({ keys: [a, b] })
  expect(link.asked.map(({ keys }) => keys!.length)).toEqual([1, 1])
  const begin = async (at: number, key: string, revision: number, reset?: boolean) => {
    const { watch, answer } = link.asked[at]!
    await answer(begun(reset))
    watches.snapshot(whole(watch, key, revision))
  }
  await begin(0, a, 900)
  await begin(1, b, 901)
  expect(await take()).toEqual(['put a900', 'put b901', 'current'])
  watches.down()
  up()
  await begin(2, a, 1, true)
  await begin(3, b, 2, true)
  expect(await take()).toEqual(['reset', 'put b901', 'put a1', 'reset', 'put a1', 'put b2', 'current'])
})

test('what the server cannot do now is asked again, until the client is closed or connects anew', async () => {
  const { watches, link, up, watch, take } = opened()
  watch({ key: 'a' })
  const failing = { error: 'Gone for a moment.', code: 'STORE_FAILED' }
  await link.asked[0]!.answer(failing)
  await vi.advanceTimersByTimeAsync(1_500)
  expect(link.asked).toHaveLength(2)
  await link.asked[1]!.answer(begun())
  watches.snapshot(whole(link.asked[1]!.watch, 'a', 1))
  expect([await take(), watches.isCurrent]).toEqual([['put a1', 'current'], true])
  watches.ended(link.asked[1]!.watch, new LiveKVError('STORE_FAILED', 'Gone.'))
  expect(watches.isCurrent).toBe(false)
  watches.down()
  up()
  await vi.advanceTimersByTimeAsync(1_500)
  expect(link.asked).toHaveLength(3)
  await link.asked[2]!.answer(failing)
  watches.close()
  expect(vi.getTimerCount()).toBe(0)
})

test('frames of an earlier connection, or of a watch that has ended, are nobody’s', async () => {
  const { watches, link, up, watch, take } = opened()
  const first = watch({ key: 'a' })
  await link.asked[0]!.answer(begun())
  watches.down()
  up()
  watches.snapshot(whole(link.asked[0]!.watch, 'a', 5))
  expect(await take()).toEqual([])
  first.stop()
  await vi.advanceTimersByTimeAsync(1_000)
  expect(link.ended).toEqual([link.asked[1]!.watch])
  watches.snapshot(whole(link.asked[1]!.watch, 'a', 5))
  expect(await take()).toEqual([])
})

test('a watch that meets a rate limit is asked for again when the window is over', async () => {
  const { watches, link, watch, take } = opened()
  watch({ key: 'a' })
  const limited = { error: 'slow down', code: 'RATE_LIMITED', retryAfterSeconds: 10 }
  await link.asked[0]!.answer(limited)
  await vi.advanceTimersByTimeAsync(10_000)
  expect(link.asked).toHaveLength(1)
  await vi.advanceTimersByTimeAsync(2_000)
  expect(link.asked).toHaveLength(2)
  await link.asked[1]!.answer(begun())
  watches.snapshot(whole(link.asked[1]!.watch, 'a', 7))
  expect(await take()).toEqual(['put a7', 'current'])
})

test('a prefix that is refused when it has begun lets go of what is within it, seamlessly', async () => {
  const { watches, link, watch, take } = opened()
  watch({ prefix: 'a' })
  watch({ key: 'aa' })
  await link.asked[0]!.answer(begun())
  watches.snapshot({ ...whole(link.asked[0]!.watch, 'aa', 5), end: false })
  expect(await take()).toEqual(['put a5', 'put a5'])
  watches.ended(link.asked[0]!.watch, new LiveKVError('SELECTION_TOO_LARGE', 'Too much.'))
  expect(await take()).toEqual(['error'])
  expect(link.asked[1]).toMatchObject({ keys: ['aa'] })
  await link.asked[1]!.answer(begun())
  watches.snapshot(whole(link.asked[1]!.watch, 'aa', 5))
  expect(await take()).toEqual(['current'])
})
