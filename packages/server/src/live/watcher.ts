import type { Socket as SocketIO } from 'socket.io'
import type { ClassicEvent } from './classic-event.ts'
import { Outlet } from './outlet.ts'
import { type EncodedPacket, PacketGroup } from './packets.ts'

/** Most that one flush hands to a connection, about; the rest goes at its next `ready`. */
export const FLUSH_MAX_BYTES = 256 * 1024

export interface Subscription {
  readonly key: string
  /** Highest revision given to the client as `valueUpdate`; -1: none yet. Nothing lower is shown of the key. */
  sent: number
  /** Subscribed once more: the value last given is given again. */
  again: boolean
}

/** What one delivery of the feed is, made once for all watchers. */
export interface Delivery {
  readonly events: readonly ClassicEvent[]
  readonly size: number
  /** `update` of every event; with a `valueUpdate` too for the events of these positions. */
  group(subscribed: readonly number[]): PacketGroup
}

/**
 * One classic socket and what it is owed.
 *
 *   new      -> owed, the newest value of each key -> released -> flush …
 *   delivery -> writable and owed nothing: written at once, every value
 *            -> else: owed, the newest value of each key -> ready -> flush, at most FLUSH_MAX_BYTES -> ready …
 *
 * Guarantees: of each key never an older value after a newer one, over `update` and `valueUpdate` together; always
 * the last one in the end, as long as the connection lives. Costs at most one reference per distinct key that
 * changed while the socket could not be written (the encoded value itself is shared by all sockets), plus one flush
 * in the connection.
 */
export class Watcher {
  readonly subscriptions = new Map<string, Subscription>()
  readonly outlet: Outlet
  /** Events of changes that were written. */
  delivered = 0
  #isReleased = false
  readonly #owed = new Map<string, { event: ClassicEvent; update: boolean }>()

  constructor(connection: SocketIO['conn']) {
    this.outlet = new Outlet(connection, () => this.#flush())
  }

  get owed(): number {
    return this.#owed.size
  }

  /** Until then it is shown nothing and is owed what comes. */
  release(): void {
    this.#isReleased = true
    this.#flush()
  }

  /** `subscribed`: positions of the events whose keys this socket subscribed to. */
  take(delivery: Delivery, subscribed: readonly number[]): void {
    if (this.#owed.size === 0 && delivery.size <= FLUSH_MAX_BYTES && this.#isWritable) {
      if (subscribed.every((at) => this.#wantsValue(delivery.events[at]))) {
        for (const at of subscribed) this.#noteSent(delivery.events[at])
        this.outlet.write(delivery.group(subscribed))
        this.delivered += delivery.events.length + subscribed.length
        return
      }
    }
    for (const event of delivery.events) this.#owe(event, true)
    this.#flush()
  }

  /** The current value, as read for a subscription that the socket has joined before; a newer one may have passed it. */
  giveCurrent(current: ClassicEvent): void {
    // Not left to the flush: until then the client may have subscribed anew, which forgets what was sent.
    if (!this.#wantsValue(current)) return
    this.#owe(current, false)
    this.#flush()
  }

  get #isWritable(): boolean {
    return this.#isReleased && this.outlet.writable
  }

  #wantsValue(event: ClassicEvent | undefined): boolean {
    const subscription = event && this.subscriptions.get(event.key)
    if (event === undefined || subscription === undefined) return false
    return event.revision > subscription.sent || (subscription.again && event.revision === subscription.sent)
  }

  #noteSent(event: ClassicEvent | undefined): void {
    const subscription = event && this.subscriptions.get(event.key)
    if (event === undefined || subscription === undefined) return
    subscription.sent = event.revision
    subscription.again = false
  }

  #owe(event: ClassicEvent, update: boolean): void {
    const owed = this.#owed.get(event.key)
    if (owed === undefined) {
      this.#owed.set(event.key, { event, update })
      return
    }
    if (event.revision > owed.event.revision) owed.event = event
    owed.update ||= update
  }

  #flush(): void {
    if (this.#owed.size === 0 || !this.#isWritable) return
    const packets: EncodedPacket[] = []
    let size = 0
    for (const [key, { event, update }] of this.#owed) {
      this.#owed.delete(key)
      if (update && event.revision >= (this.subscriptions.get(key)?.sent ?? 0)) {
        packets.push(event.update)
        size += event.size
      }
      if (this.#wantsValue(event)) {
        this.#noteSent(event)
        packets.push(event.valueUpdate)
        size += event.size
      }
      if (size >= FLUSH_MAX_BYTES) break
    }
    if (packets.length === 0) return
    this.outlet.write(new PacketGroup(packets))
    this.delivered += packets.length
  }
}
