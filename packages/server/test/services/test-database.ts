import { createDatabase } from './postgres.ts'
import { sharedService } from './shared-service.ts'

/**
 * An empty database on the PostgreSQL that all *.service.test.ts share; returns its URL. A test that stops,
 * pauses or configures the server starts one of its own with `startPostgres` instead.
 */
export async function createTestDatabase(): Promise<string> {
  return createDatabase(await sharedService('postgres'))
}
