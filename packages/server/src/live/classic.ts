/**
 * The classic events of one socket.
 *
 *   connect -> owed everything -> this instance at the log's head -> shown everything
 *   subscribe key -> joined to the key -> `subscribed` -> current value read -> `valueUpdate` -> one at each change
 *
 * Joining before reading is what leaves no gap. A change that comes while the value is read is shown at once, and
 * what was read is then dropped if it is older: the revision decides. A client may come from an instance that was
 * ahead of this one, and has no cursor to say so: until this one has seen what was in the log when it came, it is
 * shown nothing.
 */
import type { ClassicClientEvents, ClassicServerEvents } from '@livekv/protocol'
import { LiveKVError } from '@livekv/protocol'
import type { Logger } from 'pino'
import type { Socket } from 'socket.io'
import type { KeyValue } from '../key-value.ts'
import type { ClientLimits } from '../limits/rate-limits.ts'
import type { ArrivalGate } from './arrival-gate.ts'
import type { Audience } from './audience.ts'
import { deleteOf } from './catch-up.ts'
import { ClassicEvent } from './classic-event.ts'
import type { Subscription } from './watcher.ts'

/** Keys one socket may follow by name. */
export const MAX_SUBSCRIPTIONS = 10_000
/** Answers that may wait for a client which asks without reading; past it the connection is ended. */
const MAX_WAITING_ANSWERS = 2 * MAX_SUBSCRIPTIONS
const RETRY_READ_MS = 1_000

export interface ClassicOptions {
  audience: Audience
  arrivals: Pick<ArrivalGate, 'admit'>
  keyValue: Pick<KeyValue, 'get'>
  /** Of whoever opened the socket. */
  limits: Pick<ClientLimits, 'read'>
  /** Returns the key if it is one, else throws INVALID_KEY. */
  parseKey: (key: unknown) => string
  log: Logger
}

export function serveClassic(
  socket: Socket<ClassicClientEvents, ClassicServerEvents>,
  { audience, arrivals, keyValue, limits, parseKey, log }: ClassicOptions,
): void {
  const watcher = audience.join(socket.conn)
  const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>()
  const cancelArrival = arrivals.admit(() => {
    watcher.release()
    arrive()
  })
  /** One read at a time for a subscription, however often the client asks. */
  const reading = new Set<Subscription>()
  const askedAgain = new Set<Subscription>()

  socket.on('subscribe', (input: unknown) => {
    if (watcher.outlet.waiting > MAX_WAITING_ANSWERS) {
      log.warn({ socket: socket.id }, 'ended a socket that subscribes without reading the answers')
      watcher.outlet.destroy()
      return
    }
    try {
      limits.read()
      subscribe(parseKey(input))
    } catch (error) {
      if (!(error instanceof LiveKVError)) throw error
      const { retryAfterSeconds } = error.details
      socket.emit('subscribed', {
        status: 'error',
        error: error.message,
        code: error.code,
        ...(typeof retryAfterSeconds === 'number' && { retryAfterSeconds }),
      })
    }
  })

  socket.on('unsubscribe', (key: unknown) => {
    if (typeof key === 'string') audience.unsubscribe(watcher, key)
  })

  socket.on('disconnect', () => {
    cancelArrival()
    audience.leave(watcher)
  })

  function subscribe(key: string): void {
    const present = watcher.subscriptions.get(key)
    if (present === undefined && watcher.subscriptions.size >= MAX_SUBSCRIPTIONS) {
      throw new LiveKVError(
        'SUBSCRIPTION_LIMIT',
        `This socket follows ${MAX_SUBSCRIPTIONS} keys already, which is the limit; unsubscribe some or open another socket.`,
        { limit: MAX_SUBSCRIPTIONS },
      )
    }
    const subscription = present ?? audience.subscribe(watcher, key)
    socket.emit('subscribed', { status: 'success', key })
    if (present) present.again = true
    if (reading.has(subscription)) askedAgain.add(subscription)
    else void giveCurrent(subscription)
  }

  async function giveCurrent(subscription: Subscription): Promise<void> {
    reading.add(subscription)
    try {
      await arrived
      const { key } = subscription
      const answer = keyValue.get(key)
      const { entry, revision } = answer instanceof Promise ? await answer : answer
      // Of a key that was never written there is nothing to tell; one that was deleted the client may still hold.
      if (revision > 0 && isCurrent(subscription))
        watcher.giveCurrent(new ClassicEvent(entry ?? deleteOf(key, revision)))
    } catch (error) {
      log.warn(
        { err: error, key: subscription.key },
        'current value of a subscription not read, trying again',
      )
      setTimeout(() => {
        if (isCurrent(subscription) && !reading.has(subscription)) void giveCurrent(subscription)
      }, RETRY_READ_MS).unref()
    } finally {
      reading.delete(subscription)
      if (askedAgain.delete(subscription) && isCurrent(subscription)) void giveCurrent(subscription)
    }
  }

  function isCurrent(subscription: Subscription): boolean {
    return watcher.subscriptions.get(subscription.key) === subscription
  }
}
