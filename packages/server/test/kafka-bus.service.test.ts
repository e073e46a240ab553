import { randomUUID } from 'node:crypto'
import { Admin, ConfigResourceTypes, Producer, stringSerializers } from '@platformatic/kafka'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Change } from '../src/store/store.ts'
import { busContract } from './contract/bus.ts'
import { sharedService } from './services/shared-service.ts'
import { KafkaBuses, revisionsOf } from './support/kafka-buses.ts'
import { readBatches, readTopic } from './support/topic-reader.ts'

busContract('Kafka', async () => {
  const buses = new KafkaBuses(await sharedService('kafka'))
  return { first: buses.make().bus, second: buses.make().bus, close: () => buses.closeAll() }
})

describe('the bus on Kafka', () => {
  let brokers: string
  let admin: Admin
  let buses: KafkaBuses

  beforeAll(async () => {
    brokers = await sharedService('kafka')
    admin = new Admin({ clientId: 'test', bootstrapBrokers: [brokers] })
  })
  afterAll(async () => {
    await admin?.close()
  })
  afterEach(async () => {
    await buses?.closeAll()
    await admin.deleteTopics({ topics: [buses.topic] }).catch(() => {})
  })

  const policyOf = async (topic: string) => {
    const resource = { resourceName: topic, configurationKeys: ['cleanup.policy'] }
    const [described] = await admin.describeConfigs({
      resources: [{ resourceType: ConfigResourceTypes.TOPIC, ...resource }],
    })
    return described?.configs[0]?.value
  }
  const partitionsOf = async (topic: string) =>
    (await admin.metadata({ topics: [topic], forceUpdate: true })).topics.get(topic)?.partitionsCount

  test('several instances that start at once make one topic, as the settings say', async () => {
    buses = new KafkaBuses(brokers)
    const started = await Promise.all([1, 2, 3].map(() => buses.start({ partitions: 5 })))
    for (const { bus } of started) await expect.poll(() => bus.problem).toBeNull()
    expect(await partitionsOf(buses.topic)).toBe(5)
    expect(await policyOf(buses.topic)).toBe('delete')
    expect(new Set(started.map(({ bus }) => bus.reading?.topicId)).size).toBe(1)
    expect(started.flatMap(({ warnings }) => warnings)).toEqual([])
    expect(started[0]!.bus.stats().topicDiffers).toBe(0)
  })

  test('a topic with other settings is used and reported', async () => {
    buses = new KafkaBuses(brokers)
    const configs = [{ name: 'cleanup.policy', value: 'compact,delete' }]
    await admin.createTopics({ topics: [buses.topic], partitions: 2, replicas: 1, configs })
    const [first, second] = [await buses.start(), await buses.start()]
    const changes = buses.changes(50)
    first.bus.publish(changes)
    await expect.poll(() => revisionsOf(second.heard)).toEqual(revisionsOf(changes))
    expect(first.warnings).toEqual([
      expect.stringMatching(/2 partitions, not 3 and cleanup\.policy=compact,delete, not delete/),
    ])
    expect(first.bus.stats().topicDiffers).toBe(1)
    expect(first.bus.problem).toBeNull()
  })

  test('reads from where it subscribed on: what was there before is not brought, nothing after is missed', async () => {
    buses = new KafkaBuses(brokers)
    const first = await buses.start()
    const before = buses.changes(20)
    first.bus.publish(before)
    await expect.poll(() => first.bus.stats().received).toBe(20)
    const second = await buses.start()
    const after = buses.changes(20)
    first.bus.publish(after)
    await expect.poll(() => revisionsOf(second.heard)).toEqual(revisionsOf(after))
    expect(second.bus.stats().received).toBe(20)
  })

  test('what an instance published comes back to it as seen, but is not brought to its subscribers', async () => {
    buses = new KafkaBuses(brokers)
    const { bus, heard } = await buses.start()
    const changes = buses.changes(10)
    bus.publish(changes)
    await expect.poll(() => bus.reading?.seen.through(0)).toBe(10)
    expect(heard).toEqual([])
  })

  test('records that are none of ours are counted, reported once and ignored', async () => {
    buses = new KafkaBuses(brokers)
    const [first, second] = [await buses.start(), await buses.start()]
    const producer = new Producer({
      clientId: 'test',
      bootstrapBrokers: [brokers],
      serializers: stringSerializers,
    })
    const headers = { revision: '900', store: buses.storeId, instance: 'x' }
    await producer.send({
      messages: [
        { topic: buses.topic, key: 'a', value: 'hello' },
        { topic: buses.topic, value: '{"key":"a"}', headers: { revision: 'x', store: buses.storeId } },
        { topic: buses.topic, key: 'a', value: 'SECRET {"a":', headers },
        { topic: buses.topic, key: 'a', value: '{"key":"a","op":"put"}', headers },
        { topic: buses.topic, key: 'a', headers },
      ],
    })
    await producer.close()
    const changes = buses.changes(10)
    first.bus.publish(changes)
    await expect.poll(() => revisionsOf(second.heard)).toEqual(revisionsOf(changes))
    await expect.poll(() => second.bus.stats().unreadable).toBe(5)
    expect(second.warnings).toHaveLength(1)
    expect(second.warnings.join()).not.toContain('SECRET')
    expect(second.bus.stats().restarts).toBe(0)
  })

  test('records of another store are ignored', async () => {
    buses = new KafkaBuses(brokers)
    const [first, second, other] = [
      await buses.start(),
      await buses.start(),
      await buses.start({ storeId: randomUUID() }),
    ]
    other.bus.publish(buses.changes(10))
    const changes = buses.changes(10)
    first.bus.publish(changes)
    await expect.poll(() => revisionsOf(second.heard)).toEqual(revisionsOf(changes))
    await expect.poll(() => second.bus.stats().foreign).toBe(10)
    await expect.poll(() => other.bus.stats().foreign).toBe(10)
    expect([other.heard, second.warnings]).toEqual([[], []])
    expect(second.bus.reading?.seen.has(1)).toBe(false)
  })

  test('other programs find each change under its key, with revision and store in the headers', async () => {
    buses = new KafkaBuses(brokers)
    const { bus, instance } = await buses.start()
    const [put, gone] = buses.changes(2) as [Change, Change]
    const changes = [put, { ...gone, key: put.key, json: null }]
    bus.publish(changes)
    await bus.close()
    const records = await readTopic(brokers, buses.topic)
    expect(records.map(({ key }) => key)).toEqual([put.key, put.key])
    expect(JSON.parse(records[0]!.value)).toEqual({
      ...{ key: put.key, revision: 1, op: 'put', value: 1.5 },
      ...{ at: new Date(put.at).toISOString(), time: new Date(put.time).toISOString() },
    })
    expect(JSON.parse(records[1]!.value)).toMatchObject({ op: 'delete', revision: 2 })
    expect(records[1]!.headers).toEqual({ revision: '2', store: buses.storeId, instance })
  })

  test('much at once goes in batches of 512 KiB, of one idempotent producer, none of which the broker refuses', async () => {
    buses = new KafkaBuses(brokers)
    const { bus } = await buses.start({ partitions: 1 })
    const changes = buses.changes(300, `"${'0123456789'.repeat(1_000)}"`)
    bus.publish(changes)
    await expect.poll(() => bus.stats().received).toBe(changes.length)
    const batches = await readBatches(brokers, buses.topic)
    expect(batches.reduce((sum, { records }) => sum + records, 0)).toBe(changes.length)
    for (const { bytes } of batches) expect(bytes).toBeLessThanOrEqual(512 * 1024)
    expect(batches.length).toBeLessThan(10)
    // After a refusal it would be another one.
    const producers = new Set(batches.map(({ producerId }) => producerId))
    expect(producers.size).toBe(1)
    expect([...producers][0]).toBeGreaterThanOrEqual(0n)
  })

  test('a bus that is closed leaves no group behind', async () => {
    buses = new KafkaBuses(brokers)
    const { bus, instance } = await buses.start()
    await expect.poll(() => bus.problem).toBeNull()
    const groups = async () => [...(await admin.listGroups()).keys()].filter((id) => id.includes(instance))
    expect(await groups()).toHaveLength(1)
    await bus.close()
    expect(await groups()).toEqual([])
  })
})
