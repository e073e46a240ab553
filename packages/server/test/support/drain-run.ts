import { io, type Socket } from 'socket.io-client'
import { HttpClient, NotSent } from '../sigkill/http-client.ts'
import type { ServerProcess } from '../sigkill/server-process.ts'

const HTTP_WRITERS = 4
const SOCKET_WRITERS = 4
/** Of each writer, before the server is told to stop. */
const WRITES_BEFORE = 25

export interface DrainResult {
  exitCode: number | null
  /** Highest value each key was acknowledged with, and what it has after the next start. */
  acknowledged: Map<string, number>
  found: Map<string, number>
  /** What was wrong with answers that were no acknowledgements. */
  problems: string[]
  /** Status and Retry-After of what was asked of /readyz after the signal; `refused` once nobody listens. */
  readiness: string[]
  goingAway: unknown
  /** Why the classic socket was disconnected, and whether it tries again by itself. */
  classic: { reason: string; reconnects: boolean } | undefined
}

/**
 * Writers over HTTP and over sockets, and watchers of both protocols; then SIGTERM, and the process is started again
 * with what it left.
 */
export async function runDrain(server: ServerProcess): Promise<DrainResult> {
  await server.start()
  const http = new HttpClient(server.url)
  const sockets: Socket[] = []
  const connect = async (options: object) => {
    const socket = io(server.url, { forceNew: true, transports: ['websocket'], ...options })
    sockets.push(socket)
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('connect_error', reject)
    })
    return socket
  }
  const result: DrainResult = {
    exitCode: null,
    acknowledged: new Map(),
    found: new Map(),
    problems: [],
    readiness: [],
    goingAway: undefined,
    classic: undefined,
  }
  let stopping = false
  const acknowledge = (key: string, value: number) => result.acknowledged.set(key, value)

  async function writeByHttp(key: string): Promise<void> {
    for (let value = 1; ; value++) {
      try {
        const { status, body } = await http.send('POST', '/add', { key, value })
        if (status === 200) acknowledge(key, value)
        else if (body.code !== 'SHUTTING_DOWN') result.problems.push(`${key}: ${status} ${body.code}`)
        if (status !== 200) return
      } catch (error) {
        if (!stopping) result.problems.push(`${key} before the signal: ${(error as Error).message}`)
        // A kept-alive connection may be closed just when it is written to; that no answer was cut off is what counts.
        else if (!(error instanceof NotSent) && /cut off/.test((error as Error).message))
          result.problems.push(`${key}: ${(error as Error).message}`)
        return
      }
    }
  }

  async function writeBySocket(key: string, socket: Socket): Promise<void> {
    const ended = new Promise<undefined>((resolve) => socket.once('disconnect', () => resolve(undefined)))
    for (let value = 1; socket.connected; value++) {
      const answer = await Promise.race([
        new Promise<{ code?: string }>((resolve) => socket.emit('put', { key, value }, resolve)),
        ended,
      ])
      if (answer === undefined || answer.code === 'SHUTTING_DOWN') return
      if (answer.code === undefined) acknowledge(key, value)
      else result.problems.push(`${key}: ${answer.code}`)
    }
  }

  const live = await connect({ auth: { protocol: 1 }, reconnection: false })
  live.on('goingAway', (notice) => {
    result.goingAway = notice
  })
  const classic = await connect({})
  classic.on('disconnect', (reason) => {
    result.classic = { reason, reconnects: classic.active }
    classic.disconnect()
  })

  const writing: Promise<void>[] = []
  for (let index = 0; index < HTTP_WRITERS; index++) writing.push(writeByHttp(`http${index}`))
  for (let index = 0; index < SOCKET_WRITERS; index++) {
    writing.push(
      writeBySocket(`socket${index}`, await connect({ auth: { protocol: 1 }, reconnection: false })),
    )
  }
  const enough = () =>
    result.acknowledged.size === HTTP_WRITERS + SOCKET_WRITERS &&
    [...result.acknowledged.values()].every((value) => value >= WRITES_BEFORE)
  while (!enough() && result.problems.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))

  stopping = true
  const exited = server.terminate()
  result.readiness = await readinessUntilRefused(server.url)
  await Promise.all(writing)
  result.exitCode = await exited
  for (const socket of sockets) socket.disconnect()
  http.close()

  await server.start()
  const again = new HttpClient(server.url)
  for (const key of result.acknowledged.keys()) {
    result.found.set(key, (await again.send('GET', `/get/${key}`)).body.value)
  }
  again.close()
  await server.kill()
  return result
}

async function readinessUntilRefused(url: string): Promise<string[]> {
  const seen: string[] = []
  for (;;) {
    try {
      const { status, headers } = await fetch(`${url}/readyz`, { headers: { connection: 'close' } })
      seen.push(`${status} ${headers.get('retry-after')}`)
    } catch {
      seen.push('refused')
      return seen
    }
  }
}
