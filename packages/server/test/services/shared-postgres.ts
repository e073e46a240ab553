import type { TestProject } from 'vitest/node'
import { startPostgres } from './postgres.ts'

declare module 'vitest' {
  interface ProvidedContext {
    postgresUrl: string
  }
}

/** Runs once before all *.service.test.ts: one PostgreSQL for them all, a database for each that asks. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startPostgres({ settings: { max_connections: '200' } })
  project.provide('postgresUrl', server.url)
  return () => server.stop()
}
