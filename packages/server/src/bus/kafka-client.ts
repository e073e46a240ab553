import { isIP } from 'node:net'
import type { Base } from '@platformatic/kafka'
import type { KafkaConfig } from '../config.ts'
import { within } from './within.ts'

const CONNECT_TIMEOUT_MS = 3_000
/** Above the 3 s that brokers by default keep the first member of a group waiting for others. */
const REQUEST_TIMEOUT_MS = 8_000
export const CLOSE_TIMEOUT_MS = 1_000

/**
 * What all clients of one connection have in common. They retry nothing: after a request that timed out the library
 * cannot use the connection any more, so whoever holds the client makes a new one.
 */
export function clientOptions({ brokers, ssl, sasl }: KafkaConfig, clientId: string) {
  const addresses = brokers.map(addressOf)
  return {
    clientId,
    bootstrapBrokers: addresses,
    connectTimeout: CONNECT_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    retries: false,
    ...(ssl && { tls: {}, tlsServerName: addresses.every(({ host }) => isIP(host) === 0) }),
    ...(sasl && { sasl }),
  }
}

type Pool = Base['connections']

/** An error of a connection that nobody waits for any more must not end the process. */
export function guard(client: Base, pool: Pool = client.connections): void {
  const ignore = () => {}
  client.on('error' as never, ignore as never)
  pool.on('connecting', ({ connection }) => connection.on('error', ignore))
  // The library asks for the connection of a broker that has left the cluster, and throws where nobody can catch it.
  const get = pool.get.bind(pool) as (broker: unknown, callback?: unknown) => unknown
  pool.get = ((broker: unknown, callback?: (error: Error) => void) =>
    broker === undefined && callback
      ? callback(new Error('a broker has left the cluster'))
      : get(broker, callback)) as typeof pool.get
}

/** Whatever the broker does: a bounded time later nothing of it is left. */
export async function closeClient(
  client: Base,
  timeoutMs = CLOSE_TIMEOUT_MS,
  pools: readonly Pool[] = [client.connections],
): Promise<void> {
  const connections = pools.flatMap((pool) => [...pool].map(([, connection]) => connection))
  // It can throw as well.
  await within(timeoutMs, 'closing', (async () => client.close())()).catch(() => {})
  for (const pool of pools) void pool.close().catch(() => {})
  for (const connection of connections) connection.socket?.destroy()
}

/** The library's own parser does not know IPv6 addresses. */
function addressOf(broker: string): { host: string; port: number } {
  const colon = broker.lastIndexOf(':')
  return { host: broker.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(broker.slice(colon + 1)) }
}
