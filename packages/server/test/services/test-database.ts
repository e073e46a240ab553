import { inject } from 'vitest'
import { createDatabase } from './postgres.ts'

/**
 * An empty database on the PostgreSQL that all *.service.test.ts share; returns its URL. A test that stops,
 * pauses or configures the server starts one of its own with `startPostgres` instead.
 */
export function createTestDatabase(): Promise<string> {
  return createDatabase(inject('postgresUrl'))
}
