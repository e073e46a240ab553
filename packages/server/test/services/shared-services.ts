import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestProject } from 'vitest/node'
import { startKafka } from './kafka.ts'
import { startPostgres } from './postgres.ts'
import { startRedis } from './redis.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Answers `GET /NAME` with the address of that service, which it starts when it is first asked for. */
    sharedServicesUrl: string
  }
}

interface Shared {
  address: string
  stop(): Promise<void>
}

const SERVICES = {
  async postgres(): Promise<Shared> {
    const server = await startPostgres({ settings: { max_connections: '200' } })
    return { address: server.url, stop: server.stop }
  },
  async redis(): Promise<Shared> {
    const server = await startRedis()
    return { address: server.url, stop: server.stop }
  },
  async kafka(): Promise<Shared> {
    const server = await startKafka()
    return { address: server.brokers, stop: server.stop }
  },
}

export type SharedService = keyof typeof SERVICES

/** Runs once before all *.service.test.ts: one PostgreSQL, Redis and Kafka for them all, each when a test asks. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const started = new Map<SharedService, Promise<Shared>>()
  const lend = (name: SharedService) => {
    const service = started.get(name) ?? SERVICES[name]()
    started.set(name, service)
    return service
  }
  const lender = createServer(async (request, answer) => {
    try {
      answer.end((await lend(request.url!.slice(1) as SharedService)).address)
    } catch (error) {
      answer.writeHead(500).end((error as Error).message)
    }
  })
  lender.listen(0, '127.0.0.1')
  await once(lender, 'listening')
  project.provide('sharedServicesUrl', `http://127.0.0.1:${(lender.address() as AddressInfo).port}`)
  return async () => {
    lender.close()
    for (const service of await Promise.allSettled(started.values()))
      if (service.status === 'fulfilled') await service.value.stop()
  }
}
