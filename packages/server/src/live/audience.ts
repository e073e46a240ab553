import type { Socket as SocketIO } from 'socket.io'
import type { Change } from '../store/store.ts'
import { ClassicEvent } from './classic-event.ts'
import { PacketGroup } from './packets.ts'
import { type Delivery, type Subscription, Watcher } from './watcher.ts'

const NONE: readonly number[] = []

/**
 * All classic sockets of this process and who of them subscribed to what.
 *
 * A delivery is encoded once: sockets that subscribed to none of its keys, nearly all of them at most times, get
 * the same bytes, and so do those whose subscriptions it meets in the same places.
 */
export class Audience {
  readonly #watchers = new Set<Watcher>()
  /** To those that have left. */
  #delivered = 0
  readonly #subscribers = new Map<string, Set<Watcher>>()

  join(connection: SocketIO['conn']): Watcher {
    const watcher = new Watcher(connection)
    this.#watchers.add(watcher)
    return watcher
  }

  leave(watcher: Watcher): void {
    for (const key of [...watcher.subscriptions.keys()]) this.unsubscribe(watcher, key)
    watcher.outlet.release()
    if (this.#watchers.delete(watcher)) this.#delivered += watcher.delivered
  }

  subscribe(watcher: Watcher, key: string): Subscription {
    const subscription: Subscription = { key, sent: -1, again: false }
    watcher.subscriptions.set(key, subscription)
    const subscribers = this.#subscribers.get(key)
    if (subscribers) subscribers.add(watcher)
    else this.#subscribers.set(key, new Set([watcher]))
    return subscription
  }

  unsubscribe(watcher: Watcher, key: string): void {
    watcher.subscriptions.delete(key)
    const subscribers = this.#subscribers.get(key)
    if (subscribers?.delete(watcher) && subscribers.size === 0) this.#subscribers.delete(key)
  }

  deliver(changes: readonly Change[]): void {
    if (this.#watchers.size === 0) return
    const delivery = prepare(changes)
    const subscribed = new Map<Watcher, number[]>()
    for (const [at, { key }] of delivery.events.entries()) {
      for (const watcher of this.#subscribers.get(key) ?? []) {
        const places = subscribed.get(watcher)
        if (places) places.push(at)
        else subscribed.set(watcher, [at])
      }
    }
    for (const watcher of this.#watchers) watcher.take(delivery, subscribed.get(watcher) ?? NONE)
  }

  /** Of the key by name. */
  subscriptionsOf(key: string): number {
    return this.#subscribers.get(key)?.size ?? 0
  }

  stats(): { sockets: number; subscriptions: number; slow: number; owed: number; delivered: number } {
    const stats = {
      sockets: this.#watchers.size,
      subscriptions: 0,
      slow: 0,
      owed: 0,
      delivered: this.#delivered,
    }
    for (const watcher of this.#watchers) {
      stats.subscriptions += watcher.subscriptions.size
      stats.owed += watcher.owed
      stats.delivered += watcher.delivered
      if (watcher.owed > 0) stats.slow++
    }
    return stats
  }
}

function prepare(changes: readonly Change[]): Delivery {
  const events = changes.map((change) => new ClassicEvent(change))
  const groups = new Map<string, PacketGroup>()
  return {
    events,
    size: events.reduce((sum, event) => sum + event.size, 0),
    group(subscribed) {
      const id = subscribed.join()
      let group = groups.get(id)
      if (group === undefined) {
        const both = new Set(subscribed)
        // Event by event: a key may be there twice, and its older value must not follow the newer one.
        const packets = events.flatMap((event, at) =>
          both.has(at) ? [event.update, event.valueUpdate] : [event.update],
        )
        group = new PacketGroup(packets)
        groups.set(id, group)
      }
      return group
    },
  }
}
