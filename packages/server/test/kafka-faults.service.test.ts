import { Admin } from '@platformatic/kafka'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type KafkaServer, startKafka } from './services/kafka.ts'
import { TcpProxy } from './services/tcp-proxy.ts'
import { KafkaBuses, revisionsOf, type TestBus } from './support/kafka-buses.ts'
import { revisionsInTopic } from './support/topic-reader.ts'

/** Below what one record of the tests is; the broker's own default is 1 MiB. */
const MAX_RECORD_BYTES = 100_000

describe('a Kafka that fails', () => {
  let server: KafkaServer
  let buses: KafkaBuses

  beforeAll(async () => {
    server = await startKafka({ settings: { 'message.max.bytes': String(MAX_RECORD_BYTES) } })
  })
  afterEach(async () => {
    server.resume()
    await buses?.closeAll()
  })
  afterAll(async () => {
    await server?.stop()
  })

  const twoBuses = async () => {
    buses = new KafkaBuses(server.brokers)
    const pair = [await buses.start(), await buses.start()] as const
    await carries(...pair)
    return pair
  }
  /** From the first to the second; published again until it comes through, as the log would have it. */
  const carries = async (from: TestBus, to: TestBus) => {
    const changes = buses.changes(5)
    from.bus.publish(changes)
    await expect
      .poll(() => revisionsOf(to.heard), { timeout: 60_000 })
      .toEqual(expect.arrayContaining(revisionsOf(changes)))
    await expect.poll(() => [from.bus.problem, to.bus.problem]).toEqual([null, null])
  }
  const losesAndFinds = ({ warnings, infos }: TestBus) => {
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toMatch(/^Kafka \(.*\) cannot be used: .*\. Changes reach other instances by the log/)
    expect(infos).toEqual(['Kafka is back: changes go to other instances through it again.'])
  }

  test('killed and started again: what was published meanwhile arrives, and each change of state is logged once', async () => {
    const [first, second] = await twoBuses()
    await server.kill()
    const meanwhile = buses.changes(2_000)
    first.bus.publish(meanwhile)
    await expect.poll(() => first.bus.problem).toMatch(/cannot be used/)
    await expect.poll(() => second.bus.problem).toMatch(/cannot be used/)
    expect(first.bus.stats().backlog).toBe(2_000)
    await expect.poll(() => first.bus.stats().restarts).toBeGreaterThan(2)
    await server.start()
    await expect
      .poll(() => revisionsOf(second.heard), { timeout: 60_000 })
      .toEqual(expect.arrayContaining(revisionsOf(meanwhile)))
    await carries(second, first)
    await carries(first, second)
    losesAndFinds(first)
    losesAndFinds(second)
  })

  test('stopped and continued: found out, reported, and healed', async () => {
    const [first, second] = await twoBuses()
    server.pause()
    const meanwhile = buses.changes(100)
    first.bus.publish(meanwhile)
    await expect.poll(() => first.bus.problem).toMatch(/cannot be used/)
    await expect.poll(() => second.bus.problem).toMatch(/cannot be used/)
    server.resume()
    await expect
      .poll(() => revisionsOf(second.heard), { timeout: 60_000 })
      .toEqual(expect.arrayContaining(revisionsOf(meanwhile)))
    await carries(second, first)
    losesAndFinds(first)
  })

  test('a stopped broker does not keep a bus from closing', async () => {
    const [first] = await twoBuses()
    server.pause()
    first.bus.publish(buses.changes(10))
    await buses.closeAll()
    expect(first.bus.stats().backlog).toBe(10)
  })

  test('a connection that is cut, or through which nothing comes, is replaced', async () => {
    buses = new KafkaBuses(server.brokers)
    // Of a bus behind the proxy only its first address leads through it: the broker names its own to it.
    const proxy = await TcpProxy.start({ port: server.port })
    const first = await buses.start({ brokers: [`127.0.0.1:${proxy.port}`] })
    const second = await buses.start()
    await carries(first, second)
    proxy.cut()
    await carries(first, second)
    proxy.blackHole()
    await expect.poll(() => first.bus.problem).toMatch(/cannot be used/)
    proxy.heal()
    await carries(first, second)
    await first.bus.close()
    await proxy.close()
  })

  test('away at the start: the start does not wait for it, and it heals when it comes', async () => {
    buses = new KafkaBuses(server.brokers)
    await server.kill()
    const [first, second] = [await buses.start(), await buses.start()]
    const changes = buses.changes(10)
    first.bus.publish(changes)
    await expect.poll(() => first.bus.problem).toMatch(/ECONNREFUSED/)
    await server.start()
    await expect.poll(() => first.bus.reading?.seen.through(0), { timeout: 60_000 }).toBe(10)
    await carries(second, first)
    losesAndFinds(first)
  })

  test('a topic that is deleted is made again, and what comes after is in it', async () => {
    const [first, second] = await twoBuses()
    const old = first.bus.reading?.topicId
    await server.deleteTopic(buses.topic)
    const after = buses.changes(100)
    first.bus.publish(after)
    await expect
      .poll(() => revisionsOf(second.heard), { timeout: 60_000 })
      .toEqual(expect.arrayContaining(revisionsOf(after)))
    await expect.poll(() => second.bus.reading?.topicId).not.toBe(old)
    // Of the old topic nothing counts as seen.
    await expect.poll(() => first.bus.reading?.seen.has(1)).toBe(false)
    await carries(second, first)
    expect(await revisionsInTopic(server.brokers, buses.topic)).toEqual(
      expect.arrayContaining(revisionsOf(after)),
    )
  })

  test('a topic that somebody else deletes and makes anew is read from its beginning', async () => {
    const [first, second] = await twoBuses()
    const old = first.bus.reading?.topicId
    const admin = new Admin({ clientId: 'test', bootstrapBrokers: [server.brokers] })
    await admin.deleteTopics({ topics: [buses.topic] })
    await expect
      .poll(() =>
        admin.createTopics({ topics: [buses.topic], partitions: 5, replicas: 1 }).then(
          () => true,
          () => false,
        ),
      )
      .toBe(true)
    await admin.close()
    const after = buses.changes(100)
    first.bus.publish(after)
    await expect
      .poll(() => revisionsOf(second.heard), { timeout: 60_000 })
      .toEqual(expect.arrayContaining(revisionsOf(after)))
    await expect.poll(() => first.bus.reading?.topicId).not.toBe(old)
    await expect.poll(() => revisionsOf(second.heard)).toEqual(expect.arrayContaining(revisionsOf(after)))
    await expect.poll(() => second.warnings.join()).toMatch(/5 partitions, not 3/)
    await carries(second, first)
  })

  test('a record above the limit of the broker is dropped alone; others in its batch arrive', async () => {
    const [first, second] = await twoBuses()
    // Digits, and not the same ones: what compresses well would fit.
    const large = buses.changes(3, `"${'0123456789'.repeat(MAX_RECORD_BYTES / 10)}"`)
    const [before, between, after] = [buses.changes(20), buses.changes(20), buses.changes(20)]
    first.bus.publish([...before, large[0]!, ...between, large[1]!, large[2]!, ...after])
    const small = [...before, ...between, ...after]
    await expect.poll(() => revisionsOf(second.heard)).toEqual(expect.arrayContaining(revisionsOf(small)))
    await expect.poll(() => first.bus.stats().refused).toBe(3)
    for (const { revision } of large) {
      expect(second.heard.some((change) => change.revision === revision)).toBe(false)
      // It can never come: waiting for it would hold up everything behind it.
      expect(first.bus.reading?.seen.has(revision)).toBe(true)
    }
    expect(first.warnings).toEqual([expect.stringContaining('refuses a change for its size')])
    expect(first.bus.stats()).toMatchObject({ restarts: 0, backlog: 0, dropped: 0 })
  })

  test('a backlog that is full keeps the newest', async () => {
    buses = new KafkaBuses(server.brokers)
    const second = await buses.start()
    server.pause()
    const first = await buses.start({ maxBacklogBytes: 100_000 })
    const changes = buses.changes(1_000)
    first.bus.publish(changes)
    const { dropped, backlogBytes } = first.bus.stats()
    expect(dropped).toBeGreaterThan(0)
    expect(backlogBytes).toBeLessThanOrEqual(100_000)
    server.resume()
    const kept = revisionsOf(changes.slice(dropped))
    await expect.poll(() => revisionsOf(second.heard), { timeout: 60_000 }).toEqual(kept)
  })
})
