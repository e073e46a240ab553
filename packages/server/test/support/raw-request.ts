import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** A connection on which only this much of a request has come. */
export async function begin(port: number, text: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.write(text)
  return socket
}

/** All that comes until the connection ends. */
export async function answerOf(socket: Socket): Promise<string> {
  let answer = ''
  socket.setEncoding('utf8').on('data', (text: string) => {
    answer += text
  })
  // Not `once`, which rejects when the connection is cut.
  await new Promise((resolve) => socket.on('close', resolve))
  return answer
}

/**
 * Resolves when the server has seen what came on connections made before. It is asked on a new one: another that is
 * kept alive would overtake those that wait to be accepted.
 */
export async function untilSeen(port: number): Promise<void> {
  await answerOf(await begin(port, 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'))
}
