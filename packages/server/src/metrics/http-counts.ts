import type { Server } from 'node:http'

/** Counts what comes to a server, with nothing to do per request but an addition. */
export class HttpCounts {
  #connections = 0
  #requests = 0

  /** Before Socket.IO is attached, whose requests are not counted. */
  watch(server: Server): void {
    server.on('connection', (socket) => {
      this.#connections++
      socket.once('close', () => {
        this.#connections--
      })
    })
    server.on('request', () => {
      this.#requests++
    })
  }

  stats(): { connections: number; requests: number } {
    return { connections: this.#connections, requests: this.#requests }
  }
}
