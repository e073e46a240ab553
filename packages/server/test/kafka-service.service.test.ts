import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Admin, type AdminOptions } from '@platformatic/kafka'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type KafkaServer, startKafka } from './services/kafka.ts'
import { sharedService } from './services/shared-service.ts'

/** What an administrator that does not try again says. */
async function ask<T>(
  brokers: string,
  work: (admin: Admin) => Promise<T>,
  options: Partial<AdminOptions> = {},
): Promise<T> {
  const admin = new Admin({
    ...{ clientId: 'test', bootstrapBrokers: [brokers], retries: false },
    ...{ connectTimeout: 30_000, timeout: 30_000, ...options },
  })
  try {
    return await work(admin)
  } finally {
    await admin.close()
  }
}

const listTopics = (admin: Admin) => admin.listTopics()
const make = (topic: string) => (admin: Admin) => admin.createTopics({ topics: [topic], partitions: 1 })

/** The cause is in one of the errors that the client wraps. */
async function refusal(answer: Promise<unknown>): Promise<string> {
  const error = await answer.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  const texts = (of: unknown): string[] => {
    if (!(of instanceof Error)) return []
    const { cause, errors = [] } = of as Error & { errors?: unknown[] }
    return [of.message, ...texts(cause), ...errors.flatMap(texts)]
  }
  return texts(error).join('\n')
}

test('the shared Kafka answers, and is the same one for everybody', async () => {
  const brokers = await sharedService('kafka')
  expect(await ask(brokers, (admin) => admin.metadata({ topics: [] }))).toMatchObject({ controllerId: 1 })
  expect(await sharedService('kafka')).toBe(brokers)
})

describe('a Kafka of its own', () => {
  let server: KafkaServer

  beforeAll(async () => {
    server = await startKafka({ settings: { 'num.partitions': '5' } })
  })

  afterAll(async () => {
    await server?.stop()
  })

  test('takes settings', async () => {
    await ask(server.brokers, (admin) => admin.createTopics({ topics: ['five'], partitions: -1 }))
    const { topics } = await ask(server.brokers, (admin) => admin.metadata({ topics: ['five'] }))
    expect(topics.get('five')?.partitionsCount).toBe(5)
  })

  test('keeps its topics across SIGKILL and a restart', async () => {
    await ask(server.brokers, make('kept'))
    await server.kill()
    expect(await refusal(ask(server.brokers, listTopics))).toContain('ECONNREFUSED')
    await server.start()
    await server.restart()
    expect(await ask(server.brokers, listTopics)).toContain('kept')
  })

  test('deletes a topic, if there is one', async () => {
    await ask(server.brokers, make('gone'))
    await server.deleteTopic('gone')
    await server.deleteTopic('gone')
    expect(await ask(server.brokers, listTopics)).not.toContain('gone')
  })

  test('answers nothing while paused and goes on after', async () => {
    server.pause()
    let answer: Promise<unknown> | undefined
    // On a busy machine its threads run on for a moment.
    await expect
      .poll(() => {
        answer = ask(server.brokers, listTopics)
        return Promise.race([answer, sleep(300, 'no answer')])
      })
      .toBe('no answer')
    server.resume()
    expect(await answer).toContain('kept')
  })
})

test('a Kafka with TLS and a user lets in who trusts its authority and knows the password', async () => {
  const server = await startKafka({ ssl: true, sasl: { username: 'livekv', password: 'pass word' } })
  try {
    const tls = { ca: readFileSync(server.caFile!, 'utf8') }
    for (const mechanism of ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const) {
      const sasl = { mechanism, username: 'livekv', password: 'pass word' }
      await ask(server.brokers, make(mechanism), { tls, sasl })
      expect(await ask(server.brokers, listTopics, { tls, sasl })).toContain(mechanism)
      const wrong = { ...sasl, password: 'wrong' }
      expect(await refusal(ask(server.brokers, listTopics, { tls, sasl: wrong }))).toContain(
        'authentication failed',
      )
      const strange = await refusal(ask(server.brokers, listTopics, { tls: {}, sasl }))
      expect(strange).toContain('unable to verify the first certificate')
    }
  } finally {
    await server.stop()
  }
})
