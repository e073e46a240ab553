import { randomUUID } from 'node:crypto'
import { Admin } from '@platformatic/kafka'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Republisher, type RepublisherOptions } from '../src/bus/republisher.ts'
import { PostgresStore } from '../src/store/postgres.ts'
import type { Change, Write } from '../src/store/store.ts'
import { sharedService } from './services/shared-service.ts'
import { TcpProxy } from './services/tcp-proxy.ts'
import { createTestDatabase } from './services/test-database.ts'
import { type BusSettings, KafkaBuses } from './support/kafka-buses.ts'
import { revisionsInTopic } from './support/topic-reader.ts'

/** Quicker than in earnest, in the same proportions. */
const QUICK = { leaseMs: 1_500, tickMs: 100, settleMs: 300, resendMs: 1_000 }

const closing: (() => Promise<unknown>)[] = []
let database: string
let brokers: string
let buses: KafkaBuses

beforeEach(async () => {
  database = await createTestDatabase()
  brokers = await sharedService('kafka')
  buses = new KafkaBuses(brokers)
  closing.push(() => buses.closeAll())
})
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function withAdmin(work: (admin: Admin) => unknown) {
  const admin = new Admin({ clientId: 'test', bootstrapBrokers: [brokers] })
  await work(admin)
  await admin.close()
}

async function openStore(options: { partitionSize?: number; maxChanges?: number } = {}) {
  const { maxChanges = 1e8, ...rest } = options
  const store = await PostgresStore.open({
    ...{ database: { url: database, poolSize: 2 }, retention: { maxChanges, maxAgeMs: undefined } },
    ...{ log: pino({ level: 'silent' }), ...rest },
  })
  closing.push(() => store.close())
  return store
}

/** An instance as `createApp` puts it together; its republisher does not run yet. */
async function makeInstance(options: Partial<RepublisherOptions> = {}, settings: BusSettings = {}) {
  const store = await openStore()
  const { bus, instance } = await buses.start(settings)
  const log = pino({ level: 'silent' })
  const republisher = new Republisher({ bus, mark: store.mark, store, instance, log, ...QUICK, ...options })
  closing.push(() => republisher.close())
  return { store, bus, republisher }
}

async function startInstance(...options: Parameters<typeof makeInstance>) {
  const made = await makeInstance(...options)
  made.republisher.start()
  return made
}

/** Commits, and dies before it has published. */
async function commitOnly(store: PostgresStore, count: number, json = '1'): Promise<number[]> {
  const writes = Array.from({ length: count }, (_, n): Write => ({ op: 'put', key: `key-${n % 7}`, json }))
  return (await store.commit(writes)).map((result) => (result as { change: Change }).change.revision)
}

async function commitAndPublish({ store, bus }: Awaited<ReturnType<typeof startInstance>>, count: number) {
  const writes = Array.from(
    { length: count },
    (_, n): Write => ({ op: 'put', key: `key-${n % 7}`, json: '2' }),
  )
  bus.publish((await store.commit(writes)).map((result) => (result as { change: Change }).change))
}

const upTo = (revision: number) => Array.from({ length: revision }, (_, n) => n + 1)
const topicHolds = (revision: number) =>
  expect
    .poll(() => revisionsInTopic(brokers, buses.topic), { timeout: 60_000, interval: 500 })
    .toEqual(upTo(revision))

describe('what was committed but not published', () => {
  test('is published by another instance, and only that', async () => {
    const [first, second] = [await makeInstance(), await makeInstance()]
    await commitAndPublish(first, 10)
    await commitOnly(await openStore(), 2_500)
    await commitAndPublish(second, 10)
    const instances = [first, second]
    for (const { bus } of instances) await expect.poll(() => bus.stats().received).toBe(20)
    for (const { republisher } of instances) republisher.start()
    await topicHolds(2_520)
    const holder = instances.filter(({ republisher }) => republisher.stats().holdsLease === 1)
    expect(holder).toHaveLength(1)
    await expect.poll(() => holder[0]!.republisher.stats().publishedThrough).toBe(2_520)
    expect(first.bus.stats().republished + second.bus.stats().republished).toBe(2_500)
  })

  test('is left alone while it may be on its way', async () => {
    const instance = await startInstance({ settleMs: 600_000 })
    await commitOnly(instance.store, 5)
    await expect.poll(() => instance.republisher.stats().holdsLease).toBe(1)
    await commitAndPublish(instance, 5)
    await expect.poll(() => instance.bus.stats().received).toBe(5)
    // The mark stands before what is missing, and nothing is sent again.
    expect(instance.republisher.stats().publishedThrough).toBe(0)
    expect(instance.bus.stats().republished).toBe(0)
  })

  test('while no instance ran is published by the next one', async () => {
    await commitOnly(await openStore(), 30)
    await startInstance()
    await topicHolds(30)
  })

  test('is published once Kafka is there', async () => {
    const proxy = await TcpProxy.start({ port: Number(brokers.split(':')[1]) })
    closing.push(() => proxy.close())
    await proxy.refuse()
    const instance = await startInstance({}, { brokers: [`127.0.0.1:${proxy.port}`] })
    await commitOnly(instance.store, 20)
    await expect.poll(() => instance.bus.problem).toMatch(/cannot be used/)
    expect(instance.republisher.stats().holdsLease).toBe(0)
    await proxy.listen()
    await topicHolds(20)
  })
})

describe('the lease', () => {
  test('is taken over when its holder is gone, from where that one came', async () => {
    const store = await openStore()
    await commitOnly(store, 20)
    // A holder that has seen 10 of 20 and was then killed.
    const { bus } = await buses.start()
    const { topicId } = bus.reading!
    await store.mark.claim({ holder: randomUUID(), ttlMs: 1_000, topicId, through: 10 })
    const next = await startInstance()
    await expect.poll(() => next.republisher.stats().holdsLease).toBe(1)
    await expect.poll(() => next.republisher.stats().publishedThrough).toBe(20)
    expect(await revisionsInTopic(brokers, buses.topic)).toEqual(upTo(20).slice(10))
  })

  test('goes to the next at once when its holder stops', async () => {
    const first = await startInstance({ leaseMs: 600_000 })
    await expect.poll(() => first.republisher.stats().holdsLease).toBe(1)
    const second = await startInstance()
    await first.republisher.close()
    await expect.poll(() => second.republisher.stats().holdsLease).toBe(1)
  })

  test('is held by one at a time, whose mark never falls within a topic', async () => {
    const { mark } = await openStore()
    await commitOnly(await openStore(), 30)
    const claim = { ttlMs: 600_000, topicId: 'a' }
    const [one, two] = [randomUUID(), randomUUID()]
    expect(await mark.claim({ ...claim, holder: one, through: 7 })).toEqual({
      ...{ isHeld: true, topicId: 'a', publishedThrough: 7, head: 30 },
    })
    expect(await mark.claim({ ...claim, holder: two, through: 20 })).toMatchObject({
      ...{ isHeld: false, publishedThrough: 7 },
    })
    expect(await mark.claim({ ...claim, holder: one, through: 3 })).toMatchObject({ publishedThrough: 7 })
    await mark.release(two)
    expect(await mark.claim({ ...claim, holder: two, through: 20 })).toMatchObject({ isHeld: false })
    await mark.release(one)
    expect(await mark.claim({ ...claim, holder: two, through: 20 })).toMatchObject({
      ...{ isHeld: true, publishedThrough: 20 },
    })
  })

  test('for another topic the mark falls back behind what was published shortly before', async () => {
    const store = await openStore()
    const holder = randomUUID()
    const claim = { holder, ttlMs: 600_000 }
    await commitOnly(store, 30)
    await store.mark.claim({ ...claim, topicId: 'a', through: 30 })
    // What a reader of the old topic has seen says nothing about the new one.
    expect(await store.mark.claim({ ...claim, topicId: 'b', through: 30 })).toEqual({
      ...{ isHeld: true, topicId: 'b', publishedThrough: 0, head: 30 },
    })
    expect(await store.mark.claim({ ...claim, topicId: 'b', through: 12 })).toMatchObject({
      publishedThrough: 12,
    })
  })
})

test('a topic that is deleted gets what is committed after, though nobody publishes it', async () => {
  const instance = await startInstance()
  await commitAndPublish(instance, 100)
  await expect.poll(() => instance.republisher.stats().publishedThrough).toBe(100)
  const old = instance.bus.reading?.topicId
  await withAdmin((admin) => admin.deleteTopics({ topics: [buses.topic] }))
  await commitOnly(instance.store, 50)
  await expect.poll(() => instance.bus.reading?.topicId, { timeout: 60_000 }).not.toBe(old)
  const after = upTo(150).slice(100)
  await expect
    .poll(() => revisionsInTopic(brokers, buses.topic), { timeout: 60_000, interval: 500 })
    .toEqual(expect.arrayContaining(after))
  await expect.poll(() => instance.republisher.stats().publishedThrough).toBe(150)
})

test('what the broker refuses for its size does not stop the rest', async () => {
  const configs = [{ name: 'max.message.bytes', value: '50000' }]
  await withAdmin((admin) => admin.createTopics({ topics: [buses.topic], partitions: 3, configs }))
  const instance = await startInstance()
  await commitOnly(instance.store, 10)
  const [large] = await commitOnly(instance.store, 1, `"${'x'.repeat(100_000)}"`)
  await commitOnly(instance.store, 10)
  await expect.poll(() => instance.republisher.stats().publishedThrough).toBe(21)
  expect(await revisionsInTopic(brokers, buses.topic)).toEqual(upTo(21).filter((r) => r !== large))
  expect(instance.bus.stats().refused).toBe(1)
})

test('a log that was cut is published from where it begins', async () => {
  const store = await openStore({ partitionSize: 10, maxChanges: 20 })
  for (let n = 0; n < 10; n++) await commitOnly(store, 10)
  await expect
    .poll(() =>
      store.changesSince(0, 1).then(
        () => false,
        () => true,
      ),
    )
    .toBe(true)
  const { warnings } = await startInstanceOn(store)
  await expect
    .poll(() => revisionsInTopic(brokers, buses.topic), { interval: 500 })
    .toEqual(expect.arrayContaining(upTo(100).slice(80)))
  expect(warnings()).toEqual([expect.stringMatching(/^Revisions 1 to \d+ were not published/)])
})

async function startInstanceOn(store: PostgresStore) {
  const { bus, instance } = await buses.start()
  const lines: string[] = []
  const log = pino({ level: 'warn' }, { write: (line) => lines.push(JSON.parse(line).msg) })
  const republisher = new Republisher({ bus, mark: store.mark, store, instance, log, ...QUICK })
  republisher.start()
  closing.push(() => republisher.close())
  return { warnings: () => lines }
}
