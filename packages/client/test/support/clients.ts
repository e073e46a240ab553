import { afterEach } from 'vitest'
import { type Client, type ClientOptions, createClient } from '../../src/index.ts'

/** Makes clients that are closed after the test they were made in. */
export function clientsOfTests(): (url: string, options?: ClientOptions) => Client {
  const clients: Client[] = []
  afterEach(() => {
    for (const client of clients.splice(0)) client.close()
  })
  return (url, options) => {
    const client = createClient(url, options)
    clients.push(client)
    return client
  }
}
