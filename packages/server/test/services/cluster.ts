/**
 * Instances of the server behind Nginx, on real services:
 *
 *   client -> Nginx -> instance 1, 2, 3 -> PostgreSQL, Redis, Kafka
 *
 * Nginx leads a client by the first three numbers of its address: tests come from 127.0.N.1 to be spread.
 */
import { type BackingServices, startBackingServices } from './backing-services.ts'
import { type NginxServer, startNginx } from './nginx.ts'
import { type ServerInstance, startServerInstance } from './server-instance.ts'

export interface ClusterOptions {
  /** How many instances; 3 if not given. */
  instances?: number
  /** Settings of every instance besides the addresses of the services. */
  environment?: Readonly<Record<string, string>>
}

export interface Cluster extends Omit<BackingServices, 'stop'> {
  /** Of Nginx. */
  readonly url: string
  readonly nginx: NginxServer
  readonly instances: readonly ServerInstance[]
  /** Ends everything in order, also what is paused, and removes all data. */
  stop(): Promise<void>
}

/** All or nothing; resolves when every instance is ready. */
export async function startCluster({ instances = 3, environment }: ClusterOptions = {}): Promise<Cluster> {
  const services = await startBackingServices()
  const started: { stop(): Promise<void> }[] = [services]
  const stop = async () => {
    for (const part of started.splice(0).reverse()) await part.stop()
  }
  try {
    const settings = { LOG_LEVEL: 'warn', TRUST_PROXY: '127.0.0.1', ...environment, ...services.settings }
    const starting = Array.from({ length: instances }, () => startServerInstance(settings))
    started.push({
      async stop() {
        const all = await Promise.allSettled(starting)
        const up = all.flatMap((instance) => (instance.status === 'fulfilled' ? [instance.value] : []))
        await Promise.all(up.map((instance) => instance.stop()))
      },
    })
    const up = await Promise.all(starting)
    const nginx = await startNginx({ upstreams: up.map(({ port }) => port) })
    started.push(nginx)
    return { ...services, url: nginx.url, nginx, instances: up, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
