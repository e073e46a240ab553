import type { ErrorBody, WriteAnswer } from '@livekv/protocol'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { LiveKVError } from '../src/index.ts'
import { plainJson } from '../src/json-codec.ts'
import { LinkLost } from '../src/link.ts'
import type { WriteResult } from '../src/write-options.ts'
import { type BatchAnswer, RETRY_FOR_MS, Writes } from '../src/writes.ts'
import { errorOf } from './support/error-of.ts'

/** The queue of writes over a link that the test holds in its hands; time is the test’s too. */

interface Sent {
  writes: { op: string; key: string; value?: unknown; idempotencyKey: string }[]
  answer(answer: BatchAnswer | ErrorBody): Promise<void>
  lose(): Promise<void>
}

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const settle = async () => void (await vi.advanceTimersByTimeAsync(0))

function queue() {
  const sent: Sent[] = []
  const writes = new Writes((texts) => {
    const { promise, resolve, reject } = Promise.withResolvers<BatchAnswer | ErrorBody>()
    const parsed = texts.map((text) => JSON.parse(text))
    sent.push({
      writes: parsed,
      answer: (answer) => {
        resolve(answer)
        return settle()
      },
      lose: () => {
        reject(new LinkLost())
        return settle()
      },
    })
    return promise
  }, plainJson)
  writes.up()
  const put = (key: string, value: unknown = 0) => writes.write({ op: 'put', key, value: value as number })
  /** The batches since the last call, as `key=value` in their order. */
  const taken = async () => {
    await settle()
    return sent.splice(0)
  }
  return { writes, put, taken, sent }
}

const shape = (batches: readonly Sent[]) =>
  batches.map(({ writes }) => writes.map(({ key, value }) => `${key}=${value}`))
const done = (key: string, revision = 1): WriteAnswer => ({ status: 'applied', op: 'put', key, revision })
const failed = (code: ErrorBody['code'], details: object = {}) => ({ error: code, code, ...details })
const caught = (promise: Promise<WriteResult>) => {
  const error = errorOf(promise)
  error.catch(() => {})
  return error
}

describe('sent', () => {
  test('together when they were issued together; one of a key waits for the answer of the one before', async () => {
    const { put, taken } = queue()
    const first = [put('a', 1), put('b', 1), put('a', 2)]
    const [batch] = await taken()
    expect(shape([batch!])).toEqual([['a=1', 'a=2', 'b=1']])
    put('a', 3)
    put('c', 1)
    expect(shape(await taken())).toEqual([['c=1']])
    await batch!.answer({ results: [done('a', 1), done('a', 2), done('b', 3)] })
    expect(shape(await taken())).toEqual([['a=3']])
    expect((await Promise.all(first)).map(({ revision }) => revision)).toEqual([1, 3, 2])
  })

  test('in batches of bounded length, of which a bounded amount is under way', async () => {
    const { put, taken } = queue()
    const text = 'x'.repeat(60_000)
    for (let i = 0; i < 300; i++) put(`k${i}`, i)
    expect((await taken()).map(({ writes }) => writes.length)).toEqual([128, 128, 44])
    for (let i = 0; i < 100; i++) put(`large${i}`, text)
    const batches = await taken()
    expect(Math.max(...batches.map(({ writes }) => writes.length))).toBe(3)
    const underWay = () => batches.reduce((sum, { writes }) => sum + writes.length, 0)
    expect(underWay()).toBeLessThan(20)
    for (const { writes, answer } of batches) {
      await answer({ results: writes.map(({ key }) => done(key)) })
      batches.push(...(await taken()))
    }
    expect(underWay()).toBe(100)
  })

  test('while there is no link nothing is, and then all of it', async () => {
    const { writes, put, taken } = queue()
    writes.down()
    put('a', 1)
    expect(await taken()).toEqual([])
    put('b', 2)
    writes.up()
    expect(shape(await taken())).toEqual([['a=1', 'b=2']])
  })
})

describe('sent again', () => {
  test('after a lost link: the same text at its old place, before what was issued later', async () => {
    const { writes, put, taken } = queue()
    put('a', 1)
    put('b', 1)
    const [lost] = await taken()
    put('a', 2)
    writes.down()
    await lost!.lose()
    put('b', 2)
    writes.up()
    const [again] = await taken()
    expect(shape([again!])).toEqual([['a=1', 'a=2', 'b=1', 'b=2']])
    expect(again!.writes.filter(({ value }) => value === 1)).toEqual(lost!.writes)
  })

  test.each(['OVERLOADED', 'SHUTTING_DOWN', 'STORE_FAILED', 'COMMIT_UNKNOWN'] as const)(
    'after %s, which passes, and not before the server wants it',
    async (code) => {
      const { put, taken } = queue()
      const written = put('a', 1)
      await (await taken())[0]!.answer(failed(code, { retryAfterSeconds: 2 }))
      await vi.advanceTimersByTimeAsync(2_000)
      expect(await taken()).toEqual([])
      await vi.advanceTimersByTimeAsync(200)
      await (await taken())[0]!.answer({ results: [done('a', 7)] })
      expect(await written).toEqual(done('a', 7))
    },
  )

  test('after a rate limit: all of the batch, once, when the window is over, in tenths of the limit', async () => {
    const { put, taken } = queue()
    const written = [put('a', 1), put('b', 1), put('c', 1)]
    const [batch] = await taken()
    await batch!.answer(failed('RATE_LIMITED', { limit: 20, remaining: 2, retryAfterSeconds: 10 }))
    put('d', 1)
    await vi.advanceTimersByTimeAsync(10_000)
    expect(await taken()).toEqual([])
    await vi.advanceTimersByTimeAsync(200)
    const again = await taken()
    expect(shape(again)).toEqual([
      ['a=1', 'b=1'],
      ['c=1', 'd=1'],
    ])
    expect(again.flatMap(({ writes }) => writes).slice(0, 3)).toEqual(batch!.writes)
    await again[0]!.answer({ results: [done('a', 1), done('b', 2)] })
    await again[1]!.answer({ results: [done('c', 3), done('d', 4)] })
    expect((await Promise.all(written)).map(({ revision }) => revision)).toEqual([1, 2, 3])
  })

  test.each([[{ limit: 3 }], [{ limit: 0 }]])('after a rate limit of %j each by itself', async (details) => {
    const { put, taken } = queue()
    put('a', 1)
    put('b', 1)
    await (await taken())[0]!.answer(failed('RATE_LIMITED', details))
    await vi.advanceTimersByTimeAsync(200)
    expect(shape(await taken())).toEqual([['a=1'], ['b=1']])
  })

  test('after a rate limit in twice as much each time when as much as it lets through was', async () => {
    const { put, taken } = queue()
    const lengths = (batches: readonly Sent[]) => batches.map(({ writes }) => writes.length)
    const answerAll = async (batches: readonly Sent[]) => {
      for (const { writes, answer } of batches) await answer({ results: writes.map(({ key }) => done(key)) })
    }
    const refused = failed('RATE_LIMITED', { limit: 20 })
    for (let i = 0; i < 18; i++) put(`first${i}`)
    await (await taken())[0]!.answer(refused)
    await vi.advanceTimersByTimeAsync(200)
    const small = await taken()
    expect(lengths(small)).toEqual(Array(9).fill(2))
    await answerAll(small)
    for (const expected of [[2, 2], [4, 4, 4, 4, 4], [8, 8, 4], [16, 4], [20], [20]]) {
      for (let i = 0; i < expected.reduce((sum, items) => sum + items); i++) put(`then${i}`)
      const batches = await taken()
      expect(lengths(batches)).toEqual(expected)
      await answerAll(batches)
    }
    for (let i = 0; i < 300; i++) put(`usual${i}`)
    const usual = await taken()
    expect(lengths(usual)).toEqual([128, 128, 44])
    await usual[0]!.answer(refused)
    await vi.advanceTimersByTimeAsync(200)
    expect(lengths(await taken())).toEqual(Array(64).fill(2))
  })

  test('with longer and longer waits, up to a limit', async () => {
    const { put, taken } = queue()
    put('a', 1)
    const waits: number[] = []
    for (let i = 0; i < 12; i++) {
      const [batch] = await taken()
      await batch!.answer(failed('OVERLOADED'))
      const startMs = performance.now()
      let again: Sent | undefined
      while (!again) {
        await vi.advanceTimersByTimeAsync(10)
        again = (await taken())[0]
      }
      waits.push(performance.now() - startMs)
      await again.answer(failed('OVERLOADED'))
      await vi.advanceTimersByTimeAsync(5_010)
    }
    expect(waits[0]).toBeLessThanOrEqual(110)
    expect(waits.at(-1)).toBeGreaterThanOrEqual(2_500)
    expect(Math.max(...waits)).toBeLessThanOrEqual(5_010)
  })

  test('one of a batch that fails for a while, but not when a later one of its key was decided', async () => {
    const { put, taken } = queue()
    const [first, second, other] = [caught(put('a', 1)), put('a', 2), put('b', 1)]
    await (await taken())[0]!.answer({
      results: [failed('COMMIT_UNKNOWN'), done('a', 5), failed('COMMIT_UNKNOWN')],
    })
    expect(await first).toMatchObject({ code: 'COMMIT_UNKNOWN', details: { key: 'a' } })
    expect(await second).toEqual(done('a', 5))
    await vi.advanceTimersByTimeAsync(200)
    const [again] = await taken()
    expect(shape([again!])).toEqual([['b=1']])
    await again!.answer({ results: [done('b', 6)] })
    expect(await other).toEqual(done('b', 6))
  })

  test('each by itself when the batch was refused as a whole: only the guilty one fails', async () => {
    const { put, taken } = queue()
    const guilty = caught(put('a', 'bad'))
    const rest = [put('a', 2), put('b', 1)]
    await (await taken())[0]!.answer(failed('BODY_TOO_LARGE'))
    const alone = await taken()
    expect(shape(alone)).toEqual([['a=bad'], ['b=1']])
    await alone[0]!.answer(failed('BODY_TOO_LARGE'))
    await alone[1]!.answer({ results: [done('b')] })
    const [last] = await taken()
    expect(shape([last!])).toEqual([['a=2']])
    await last!.answer({ results: [done('a')] })
    expect((await guilty).code).toBe('BODY_TOO_LARGE')
    expect(await Promise.all(rest)).toHaveLength(2)
  })
})

describe('given up', () => {
  test('after 5 minutes: known not to be applied if it was never sent, else unknown', async () => {
    const { writes, put, taken } = queue()
    const sent = caught(put('sent', 1))
    const [batch] = await taken()
    writes.down()
    await batch!.lose()
    const unsent = caught(put('unsent', 1))
    await vi.advanceTimersByTimeAsync(RETRY_FOR_MS - 1)
    const late = put('late', 1)
    await vi.advanceTimersByTimeAsync(1)
    expect(await sent).toMatchObject({
      code: 'COMMIT_UNKNOWN',
      retryable: true,
      details: { key: 'sent', idempotencyKey: batch!.writes[0]!.idempotencyKey },
    })
    expect(await unsent).toMatchObject({ code: 'UNREACHABLE', details: { key: 'unsent' } })
    expect((await unsent).message).toMatch(/was not applied.*5 minutes/)
    writes.up()
    const [rest] = await taken()
    expect(shape([rest!])).toEqual([['late=1']])
    await rest!.answer({ results: [done('late')] })
    await late
    expect(vi.getTimerCount()).toBe(0)
  })

  test('a write that was refused each time is known not to be applied, one of unknown fate stays so', async () => {
    const { writes, put, taken } = queue()
    const [refused, unknown] = [caught(put('refused')), caught(put('unknown'))]
    await (await taken())[0]!.answer({
      results: [
        failed('STORE_FAILED', { outcome: 'not-applied' }),
        failed('STORE_FAILED', { outcome: 'unknown' }),
      ],
    })
    await vi.advanceTimersByTimeAsync(200)
    await (await taken())[0]!.answer(failed('OVERLOADED'))
    writes.close()
    expect(await refused).toMatchObject({ code: 'CLIENT_CLOSED' })
    expect(await unknown).toMatchObject({ code: 'COMMIT_UNKNOWN' })
  })

  test('a device that slept for long sends nothing that the server may have forgotten', async () => {
    const { put, taken } = queue()
    const old = caught(put('a', 1))
    await (await taken())[0]!.answer(failed('COMMIT_UNKNOWN'))
    // Asleep: the clock goes on, timers do not. On waking the one that is due first comes first.
    vi.setSystemTime(Date.now() + 11 * 60_000)
    await vi.advanceTimersByTimeAsync(200)
    expect(await taken()).toEqual([])
    expect(await old).toMatchObject({ code: 'COMMIT_UNKNOWN' })
  })

  test('an answer that comes after that is nobody’s, and the next write of the key goes', async () => {
    const { put, taken } = queue()
    const old = caught(put('a', 1))
    const [batch] = await taken()
    await vi.advanceTimersByTimeAsync(RETRY_FOR_MS)
    expect((await old).code).toBe('COMMIT_UNKNOWN')
    const next = put('a', 2)
    expect(await taken()).toEqual([])
    await batch!.lose()
    const [again] = await taken()
    expect(shape([again!])).toEqual([['a=2']])
    await again!.answer({ results: [done('a')] })
    await next
  })
})

test('closed, each says whether its fate is known; nothing is sent or waits any more', async () => {
  const { writes, put, taken } = queue()
  const sent = caught(put('a', 1))
  const [batch] = await taken()
  const waiting = caught(put('a', 2))
  writes.close()
  expect(await sent).toMatchObject({
    code: 'COMMIT_UNKNOWN',
    details: { key: 'a', idempotencyKey: expect.any(String) },
  })
  expect(await waiting).toMatchObject({ code: 'CLIENT_CLOSED', details: { key: 'a' } })
  expect((await waiting).message).toContain('was not applied')
  await batch!.lose()
  expect(await taken()).toEqual([])
  expect(vi.getTimerCount()).toBe(0)
  expect(() => put('a', 3)).toThrow(
    expect.objectContaining({ code: 'CLIENT_CLOSED' } satisfies Partial<LiveKVError>),
  )
})

test('the queue is bounded: what has no room is refused as a whole, and nothing of it is sent', async () => {
  const { writes, put, taken } = queue()
  writes.down()
  const overloaded = expect.objectContaining({
    code: 'OVERLOADED',
    retryable: true,
  } satisfies Partial<LiveKVError>)
  const many = Array.from({ length: 99_999 }, (_, i) => ({ op: 'put', key: `k${i}`, value: i }) as const)
  const promises = writes.writeMany(many)
  expect(() => writes.writeMany([many[0]!, many[1]!])).toThrow(overloaded)
  promises.push(put('last'))
  expect(() => put('one too many')).toThrow(overloaded)
  writes.up()
  const batches = await taken()
  await batches[0]!.answer({ results: batches[0]!.writes.map(({ key }) => done(key)) })
  await promises[0]
  promises.push(put('room again'))
  for (const promise of promises) promise.catch(() => {})
  writes.close()
})

test('the queue is bounded in its length as text, too', async () => {
  const { writes, put } = queue()
  writes.down()
  const megabyte = 'x'.repeat(1024 * 1024)
  for (let i = 0; i < 63; i++) put(`k${i}`, megabyte).catch(() => {})
  expect(() => put('64', megabyte)).toThrow('64 MiB')
  writes.close()
})
