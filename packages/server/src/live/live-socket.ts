/**
 * The live protocol on one socket: every event checked, answered through its acknowledgement, and never a reason to
 * fail. Writes are those of HTTP: the same parser, limits and answers.
 */
import { randomUUID } from 'node:crypto'
import { LiveKVError } from '@livekv/protocol'
import type { Socket } from 'socket.io'
import { runBatch } from '../http/batch.ts'
import type { JsonBody } from '../http/body.ts'
import { checkKey } from '../http/key.ts'
import { shown } from '../http/shown.ts'
import { doneText, parseWrite, resultOrThrow } from '../http/writes.ts'
import type { ClientLimits } from '../limits/rate-limits.ts'
import { logTold } from '../log.ts'
import { CursorCodec } from './cursor.ts'
import { LiveOutbox } from './live-outbox.ts'
import { parseUnwatch, parseWatch } from './live-requests.ts'
import type { LiveOptions } from './live-sockets.ts'
import { EncodedPacket } from './packets.ts'
import { argumentOf, received } from './text-parser.ts'
import { Watch } from './watch.ts'

/** Watches of one socket, and keys that it may name in all of them. */
export const MAX_WATCHES = 1_000
export const MAX_WATCHED_KEYS = 200_000
/** Answers that may wait for a client which asks without reading, in characters; past it the connection is ended. */
const MAX_WAITING_ANSWERS = 16 * 2 ** 20

const EVENTS = ['watch', 'unwatch', 'put', 'delete', 'batch', 'time']

export class LiveSocket {
  readonly #options: LiveOptions
  readonly #socket: Socket
  readonly #limits: ClientLimits
  readonly #outbox: LiveOutbox
  readonly #watches = new Map<string, Watch>()
  #watchedKeys = 0

  constructor(socket: Socket, limits: ClientLimits, options: LiveOptions) {
    this.#options = options
    this.#socket = socket
    this.#limits = limits
    this.#outbox = new LiveOutbox(socket.conn, (watch) => this.#forget(watch))
    // Instead of listeners: the one place that gets every event, known or not, with what it came as.
    socket.use((event) => void this.#take(event))
    socket.on('disconnect', () => this.#leave())
  }

  get watches(): Iterable<Watch> {
    return this.#watches.values()
  }

  get isSlow(): boolean {
    return this.#outbox.isSlow
  }

  goingAway(withinMs: number): void {
    this.#outbox.answer(EncodedPacket.event('goingAway', `{"withinMs":${withinMs}}`))
  }

  async #take(event: readonly unknown[]): Promise<void> {
    const { log, requests } = this.#options
    if (this.#outbox.answersLength > MAX_WAITING_ANSWERS) {
      log.warn({ socket: this.#socket.id }, 'ended a socket that asks without reading the answers')
      this.#outbox.destroy()
      return
    }
    const { text, id } = received(event)
    // Never through Socket.IO's own acknowledgement, whose packets nobody counts.
    const answer = (json: string) => {
      if (id !== undefined) this.#outbox.answer(EncodedPacket.answer(id, json))
    }
    requests.begin()
    try {
      if (text === undefined) {
        throw new LiveKVError(
          'INVALID_REQUEST',
          `${shown(event[0])} came with binary data: send JSON values only.`,
        )
      }
      if (event[0] === 'time') answer(`{"now":${Date.now()}}`)
      else if (requests.isClosed) throw stopping()
      else await this.#answer(event[0], () => this.#body(event, text), answer)
    } catch (error) {
      answer(JSON.stringify(this.#told(error, event[0]).toBody()))
    } finally {
      requests.end()
    }
  }

  #body(event: readonly unknown[], text: string): JsonBody {
    const { maxBodyBytes } = this.#options.config
    if (text.length * 3 > maxBodyBytes && Buffer.byteLength(text) > maxBodyBytes) {
      throw new LiveKVError(
        'BODY_TOO_LARGE',
        `The event is larger than ${maxBodyBytes} bytes (MAX_BODY_BYTES): split it.`,
      )
    }
    return argumentOf(event, text)
  }

  async #answer(name: unknown, body: () => JsonBody, answer: (text: string) => void): Promise<void> {
    switch (name) {
      case 'put':
      case 'delete':
        this.#limits.write(1)
        return answer(await this.#write(name, body()))
      case 'batch':
        return answer(await runBatch(body(), this.#options, (items) => this.#limits.write(items)))
      case 'watch':
        this.#limits.read()
        return this.#watch(body().object, answer)
      case 'unwatch': {
        const watch = this.#watches.get(parseUnwatch(body().object))
        if (watch) this.#end(watch)
        return answer('{}')
      }
      default:
        throw new LiveKVError(
          'INVALID_REQUEST',
          `${shown(name)} is no event of this protocol; known: ${EVENTS.join(', ')}.`,
        )
    }
  }

  async #write(op: 'put' | 'delete', body: JsonBody): Promise<string> {
    const { config, keyValue } = this.#options
    const key = checkKey(body.object.key, config.maxKeyBytes)
    const write = parseWrite(op, key, body, config.maxValueBytes, ['key'])
    const [result] = await keyValue.write([write])
    return `{${doneText(write, resultOrThrow(write, result!).done)}}`
  }

  async #watch(request: JsonBody['object'], answer: (text: string) => void): Promise<void> {
    const { config, storeId, sources } = this.#options
    const { id, selection, since } = parseWatch(request, (key) => checkKey(key, config.maxKeyBytes))
    if (this.#watches.has(id)) {
      throw new LiveKVError(
        'INVALID_REQUEST',
        `watch ${shown(id)} is the name of a running watch of this socket: choose another one, or unwatch it first.`,
      )
    }
    const keys = selection.keys?.length ?? 0
    if (this.#watches.size >= MAX_WATCHES || this.#watchedKeys + keys > MAX_WATCHED_KEYS) {
      throw new LiveKVError(
        'SUBSCRIPTION_LIMIT',
        `One socket may have ${MAX_WATCHES} watches that name ${MAX_WATCHED_KEYS} keys together: end some, watch a prefix, or open another socket.`,
        { watches: MAX_WATCHES, keys: MAX_WATCHED_KEYS },
      )
    }
    const codec = new CursorCodec(storeId, selection)
    const watch = new Watch(id, selection, codec, sources, this.#outbox)
    this.#watches.set(id, watch)
    this.#watchedKeys += keys
    try {
      await watch.start(since === undefined ? undefined : (codec.decode(since) ?? 'reset'), (started) =>
        answer(JSON.stringify({ ...started, storeId })),
      )
    } catch (error) {
      this.#end(watch)
      throw error
    }
  }

  #end(watch: Watch): void {
    watch.end()
    this.#outbox.forget(watch)
    this.#forget(watch)
  }

  #forget(watch: Watch): void {
    if (this.#watches.get(watch.id) !== watch) return
    this.#watches.delete(watch.id)
    this.#watchedKeys -= watch.selection.keys?.length ?? 0
  }

  #leave(): void {
    for (const watch of [...this.#watches.values()]) this.#end(watch)
    this.#outbox.release()
    this.#options.onLeave(this)
  }

  /** What the client is told of an error: a fault of ours only by its number in the log. */
  #told(error: unknown, event: unknown): LiveKVError {
    const { log, errors } = this.#options
    errors?.count(error instanceof LiveKVError ? error.code : 'INTERNAL')
    const at = { socket: this.#socket.id, event: shown(event) }
    if (error instanceof LiveKVError) {
      // An event that is refused may be called by anything.
      if (error.status >= 500) logTold(log, at, error)
      return error
    }
    const requestId = randomUUID()
    log.error({ ...at, requestId, err: error }, 'an event failed')
    return new LiveKVError('INTERNAL', `The server failed; its log has the details under ${requestId}.`, {
      requestId,
    })
  }
}

function stopping(): LiveKVError {
  return new LiveKVError(
    'SHUTTING_DOWN',
    'This instance is stopping and takes no more requests: connect again, to another one or later.',
    { retryAfterSeconds: 1 },
  )
}
