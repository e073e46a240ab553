import { setTimeout as sleep } from 'node:timers/promises'
import { type Admin, ConfigResourceTypes, type GenericError } from '@platformatic/kafka'

export interface Topic {
  /** Another one after the topic was deleted and made again. */
  id: string
  partitions: number
}

export interface TopicOptions {
  admin: Admin
  name: string
  partitions: number
  /** How long a missing topic is left to whoever deleted it, who may want to make it anew. */
  graceMs: number
  signal: AbortSignal
}

export const CLEANUP_POLICY = 'delete'
/** Until a new topic has its leaders. */
const READY_TIMEOUT_MS = 5_000
const POLL_MS = 50

/** The topic, made when it is missing; resolves when every partition has a leader. */
export async function openTopic({ admin, name, partitions, graceMs, signal }: TopicOptions): Promise<Topic> {
  const madeAt = performance.now() + graceMs
  const deadline = madeAt + READY_TIMEOUT_MS
  let isMade = false
  while (true) {
    const topic = await findTopic(admin, name)
    if (topic) return topic
    const now = performance.now()
    if (now > deadline) throw new Error(`the topic "${name}" was made but has no leader`)
    if (!isMade && now >= madeAt) {
      await createTopic(admin, name, partitions)
      isMade = true
    } else {
      await sleep(POLL_MS, undefined, { signal })
    }
  }
}

/** Asks the broker; null: there is none, or it is not ready yet. */
export async function findTopic(admin: Admin, name: string): Promise<Topic | null> {
  try {
    const { topics } = await admin.metadata({ topics: [name], forceUpdate: true })
    const topic = topics.get(name)
    if (!topic || topic.partitionsCount === 0) return null
    if (topic.partitions.some((partition) => !partition || partition.leader < 0)) return null
    return { id: topic.id, partitions: topic.partitionsCount }
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

/** What differs from the topic we would have made, in words; null: nothing, or the broker does not tell. */
export async function topicDifference(
  admin: Admin,
  name: string,
  topic: Topic,
  partitions: number,
): Promise<string | null> {
  const differences: string[] = []
  if (topic.partitions !== partitions) differences.push(`${topic.partitions} partitions, not ${partitions}`)
  try {
    const resource = { resourceType: ConfigResourceTypes.TOPIC, resourceName: name }
    const [described] = await admin.describeConfigs({
      resources: [{ ...resource, configurationKeys: ['cleanup.policy'] }],
    })
    const policy = described?.configs.find((config) => config.name === 'cleanup.policy')?.value
    if (policy && policy !== CLEANUP_POLICY) {
      differences.push(`cleanup.policy=${policy}, not ${CLEANUP_POLICY}`)
    }
  } catch {
    // Asking for settings can be forbidden where writing and reading are not.
  }
  return differences.length === 0 ? null : differences.join(' and ')
}

async function createTopic(admin: Admin, name: string, partitions: number): Promise<void> {
  try {
    const configs = [{ name: 'cleanup.policy', value: CLEANUP_POLICY }]
    await admin.createTopics({ topics: [name], partitions, configs })
  } catch (error) {
    // Another instance was quicker.
    if (!(error as GenericError).findBy?.('apiId', 'TOPIC_ALREADY_EXISTS')) throw error
  }
}

function isMissing(error: unknown): boolean {
  const known = error as GenericError
  // The library turns the broker's code into this message alone.
  if (known.message.startsWith('Unknown topic')) return true
  return Boolean(known.findBy?.('apiId', 'LEADER_NOT_AVAILABLE'))
}
