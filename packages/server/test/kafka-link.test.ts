import { ProtocolError } from '@platformatic/kafka'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { whileStarting } from '../src/bus/kafka-link.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** What the broker says until it has taken over a topic that was made just now. */
test('a broker that takes over a new topic is asked ten times a second, or the first deliveries would wait', async () => {
  let asked = 0
  const isAnswered = vi.fn()
  const asking = whileStarting.execute(async () => {
    asked++
    if (asked <= 8) throw new ProtocolError('NOT_LEADER_OR_FOLLOWER')
    return 'leader'
  })
  void asking.then(isAnswered)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(isAnswered).toHaveBeenCalledWith('leader')
})

test('what a broker says for good is not asked again', async () => {
  const ask = vi.fn(async () => {
    throw new ProtocolError('TOPIC_AUTHORIZATION_FAILED')
  })
  await expect(whileStarting.execute(ask)).rejects.toThrow(ProtocolError)
  expect(ask).toHaveBeenCalledTimes(1)
})
