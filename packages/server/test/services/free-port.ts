import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * Below the range from which Linux takes the local ports of connections (32768 on): there, while a server is
 * down, a client that tries to reach it again can be given the server's own port, and speaks to itself.
 */
const LOWEST = 15_000
const HIGHEST = 31_999

/** A port of 127.0.0.1 that nothing listened on a moment ago. */
export async function freePort(): Promise<number> {
  while (true) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST + 1))
    if (await isFree(port)) return port
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  const failed = once(server, 'error').then(() => true)
  server.listen(port, '127.0.0.1')
  if (await Promise.race([failed, once(server, 'listening').then(() => false)])) return false
  server.close()
  await once(server, 'close')
  return true
}
