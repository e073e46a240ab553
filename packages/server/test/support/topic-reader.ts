import { randomUUID } from 'node:crypto'
import { Consumer, MessagesStreamModes, stringDeserializers } from '@platformatic/kafka'

export interface TopicRecord {
  key: string
  value: string
  headers: Record<string, string>
}

/** All records of the topic as another program finds them, from the first to what is the last when it is asked. */
export async function readTopic(brokers: string, topic: string): Promise<TopicRecord[]> {
  const groupId = `reader-${randomUUID()}`
  const consumer = new Consumer({
    ...{ groupId, clientId: groupId, bootstrapBrokers: [brokers], deserializers: stringDeserializers },
    ...{ autocommit: false, maxWaitTime: 50, retries: 5, retryDelay: 200 },
  })
  try {
    const ends = (await consumer.listOffsets({ topics: [topic] })).get(topic) ?? []
    const starts = (await consumer.listOffsets({ topics: [topic], timestamp: -2n })).get(topic) ?? []
    const open = new Set([...ends.keys()].filter((partition) => ends[partition]! > starts[partition]!))
    const records: TopicRecord[] = []
    if (open.size === 0) return records
    const stream = await consumer.consume({ topics: [topic], mode: MessagesStreamModes.EARLIEST })
    for await (const { key, value, headers, partition, offset } of stream) {
      if (offset < ends[partition]!) records.push({ key, value, headers: Object.fromEntries(headers) })
      if (offset + 1n >= ends[partition]!) open.delete(partition)
      if (open.size === 0) break
    }
    return records
  } finally {
    await Promise.resolve(consumer.close(true)).catch(() => {})
  }
}

export interface TopicBatch {
  records: number
  bytes: number
  /** -1: of a producer that is not idempotent. */
  producerId: bigint
}

/** The batches of a topic with one partition, as its producers sent them. */
export async function readBatches(brokers: string, topic: string): Promise<TopicBatch[]> {
  const groupId = `reader-${randomUUID()}`
  const consumer = new Consumer({ groupId, clientId: groupId, bootstrapBrokers: [brokers] })
  try {
    const [end = 0n] = (await consumer.listOffsets({ topics: [topic] })).get(topic) ?? []
    const found = (await consumer.metadata({ topics: [topic] })).topics.get(topic)!
    const { leader, leaderEpoch } = found.partitions[0]!
    const batches: TopicBatch[] = []
    let fetchOffset = 0n
    while (fetchOffset < end) {
      const partition = { partition: 0, currentLeaderEpoch: leaderEpoch, lastFetchedEpoch: -1 }
      const partitions = [{ ...partition, fetchOffset, partitionMaxBytes: 16 * 1024 * 1024 }]
      const { responses } = await consumer.fetch({
        node: leader,
        topics: [{ topicId: found.id, partitions }],
      })
      for (const { firstOffset, lastOffsetDelta, length, producerId, records } of responses[0]!.partitions[0]!
        .records ?? []) {
        if (firstOffset < fetchOffset) continue
        batches.push({ records: records.length, bytes: length, producerId })
        fetchOffset = firstOffset + BigInt(lastOffsetDelta) + 1n
      }
    }
    return batches
  } finally {
    await Promise.resolve(consumer.close(true)).catch(() => {})
  }
}

/** The revisions in it, each once, ascending. */
export async function revisionsInTopic(brokers: string, topic: string): Promise<number[]> {
  const records = await readTopic(brokers, topic)
  return [...new Set(records.map(({ headers }) => Number(headers.revision)))].sort((a, b) => a - b)
}
