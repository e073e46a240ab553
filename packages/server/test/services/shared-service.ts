import { inject } from 'vitest'
import type { SharedService } from './shared-services.ts'

/**
 * The address of a server that all *.service.test.ts share: the URL of PostgreSQL or Redis, `127.0.0.1:port` of
 * Kafka. It is started when the first test asks.
 *
 * Others write to it too: take a database (`createTestDatabase`), a store identity or a topic of the test's own.
 * A test that stops, pauses, empties or configures a server starts one of its own instead: `startPostgres`,
 * `startRedis`, `startKafka`.
 */
export async function sharedService(name: SharedService): Promise<string> {
  const answer = await fetch(`${inject('sharedServicesUrl')}/${name}`)
  const text = await answer.text()
  if (!answer.ok) throw new Error(text)
  return text
}
