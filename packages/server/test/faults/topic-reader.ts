import { setTimeout as sleep } from 'node:timers/promises'
import { Consumer, MessagesStreamModes, stringDeserializers } from '@platformatic/kafka'
import type { TopicRecord } from './records.ts'

const CHECK_MS = 250

/**
 * The whole topic as an outside consumer reads it, from its beginning until `isEnough` says so of what was read, or the
 * time is up. A topic that is not there, or a broker that does not answer, is tried again until then.
 */
export async function readTopic(
  brokers: string,
  topic: string,
  isEnough: (records: readonly TopicRecord[]) => boolean,
  withinMs: number,
): Promise<TopicRecord[]> {
  const deadline = performance.now() + withinMs
  while (true) {
    try {
      return await readOnce(brokers, topic, isEnough, deadline - performance.now())
    } catch (error) {
      if (performance.now() > deadline) throw error
      await sleep(CHECK_MS)
    }
  }
}

async function readOnce(
  brokers: string,
  topic: string,
  isEnough: (records: readonly TopicRecord[]) => boolean,
  withinMs: number,
): Promise<TopicRecord[]> {
  const records: TopicRecord[] = []
  const consumer = new Consumer({
    groupId: `audit-${process.pid}-${Date.now()}`,
    clientId: 'audit',
    bootstrapBrokers: [brokers],
    deserializers: stringDeserializers,
  })
  try {
    const stream = await consumer.consume({
      topics: [topic],
      mode: MessagesStreamModes.EARLIEST,
      autocommit: false,
      maxWaitTime: 100,
    })
    const timer = setTimeout(() => void stream.close(), Math.max(0, withinMs))
    const check = setInterval(() => {
      if (isEnough(records)) void stream.close()
    }, CHECK_MS)
    try {
      for await (const { partition, offset, key, value } of stream) {
        const change: TopicRecord['change'] = JSON.parse(String(value))
        records.push({ partition, offset: Number(offset), key: String(key), change })
      }
    } finally {
      clearTimeout(timer)
      clearInterval(check)
    }
    return records
  } finally {
    // Its group goes with the broker's data.
    await Promise.resolve(consumer.close(true)).catch(() => {})
  }
}
