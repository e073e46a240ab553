import { Consumer, MessagesStreamModes, stringDeserializers } from '@platformatic/kafka'
import type { TopicRecord } from './records.ts'

/**
 * The whole topic as an outside consumer reads it, until `isEnough` says so of what was read or the time is up.
 */
export async function readTopic(
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
    const timer = setTimeout(() => void stream.close(), withinMs)
    const check = setInterval(() => {
      if (isEnough(records)) void stream.close()
    }, CHECK_MS)
    try {
      for await (const { partition, offset, key, value } of stream) {
        records.push({
          partition,
          offset: Number(offset),
          key: String(key),
          change: JSON.parse(String(value)),
        })
      }
    } finally {
      clearTimeout(timer)
      clearInterval(check)
    }
    return records
  } finally {
    await consumer.close(true)
  }
}

const CHECK_MS = 250
