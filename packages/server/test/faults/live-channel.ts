import type { Agent } from 'node:http'
import type { LiveClientEvents, LiveServerEvents, WriteAnswer, WriteRequest } from '@livekv/protocol'
import { io, type Socket } from 'socket.io-client'
import { itemOf, refusal, type Try, type WriteChannel } from './write-channel.ts'

const ANSWER_TIMEOUT_MS = 6_000

/** Over a socket of the live protocol that connects again by itself. */
export class LiveChannel implements WriteChannel {
  readonly isAtomicKnown = true
  readonly #socket: Socket<LiveServerEvents, LiveClientEvents>
  connects = 0

  constructor(url: string, agent: Agent) {
    this.#socket = io(url, {
      forceNew: true,
      auth: { protocol: 1 },
      transports: ['websocket'],
      reconnectionDelay: 50,
      reconnectionDelayMax: 500,
      agent: agent as never,
    })
    this.#socket.on('connect', () => {
      this.connects++
    })
  }

  send(writes: readonly WriteRequest[], atomic: boolean): Promise<Try> {
    const socket = this.#socket
    if (!socket.connected) return Promise.resolve({ outcome: 'notApplied', why: 'not connected' })
    return new Promise((resolve) => {
      const end = (tried: Try) => {
        clearTimeout(timer)
        socket.off('disconnect', lost)
        resolve(tried)
      }
      const lost = () => end({ outcome: 'unknown', why: 'disconnected' })
      const timer = setTimeout(() => end({ outcome: 'unknown', why: 'no answer' }), ANSWER_TIMEOUT_MS)
      socket.on('disconnect', lost)
      const { op, ...rest } = writes[0]!
      if (writes.length === 1 && !atomic && (op === 'put' || op === 'delete')) {
        const answered = (answer: WriteAnswer) =>
          end(
            'error' in answer ? refusal(answer, 'live', 1) : { outcome: 'answered', items: [itemOf(answer)] },
          )
        if (op === 'put') socket.emit(op, rest, answered)
        else socket.emit(op, rest, answered)
      } else {
        socket.emit('batch', { writes: [...writes], ...(atomic && { atomic }) }, (answer) =>
          end(
            'error' in answer
              ? refusal(answer, 'live', writes.length)
              : { outcome: 'answered', items: answer.results.map(itemOf) },
          ),
        )
      }
    })
  }

  close(): void {
    this.#socket.disconnect()
  }
}
