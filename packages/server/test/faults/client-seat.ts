/** A program that uses the client library: its connection, the watches that come and go in it, and where it comes from. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Client, createClient } from '@livekv/client'
import { type Target, TcpProxy } from '../services/tcp-proxy.ts'
import { type AllShown, CheckedWatcher } from '../watchers/checked-watcher.ts'
import { pick, type Random, selectionOf } from './keys.ts'
import type { LatestEntry } from './records.ts'

const MAX_WATCHES = 5

export class ClientSeat {
  readonly client: Client
  readonly #name: string
  readonly #all: AllShown
  readonly #link: TcpProxy
  readonly #watchers = new Set<CheckedWatcher>()
  readonly #over: CheckedWatcher[] = []
  connections = 0

  /** The library lets nobody choose its address, so it goes by way of a link that does. */
  static async take(name: string, target: Target, all: AllShown): Promise<ClientSeat> {
    return new ClientSeat(name, await TcpProxy.start(target), all)
  }

  private constructor(name: string, link: TcpProxy, all: AllShown) {
    this.#name = name
    this.#all = all
    this.#link = link
    this.client = createClient(`http://127.0.0.1:${link.port}`)
    let wasLive = false
    this.client.onState((state) => {
      if (state.name === 'live' && !wasLive) this.connections++
      wasLive = state.name === 'live'
    })
  }

  async beginAndEnd(random: Random, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (this.#watchers.size < MAX_WATCHES && random() < 0.7) this.#begin(random)
      else if (this.#watchers.size > 1) this.#end(pick([...this.#watchers], random))
      await sleep(random() * 3_000, undefined, { signal }).catch(() => {})
    }
  }

  /** Those that are going on. */
  get watchers(): CheckedWatcher[] {
    return [...this.#watchers]
  }

  get problems(): string[] {
    return this.#everyWatcher().flatMap(({ problems }) => problems)
  }

  get events(): number {
    return this.#everyWatcher().reduce((sum, { events }) => sum + events, 0)
  }

  missing(entries: readonly LatestEntry[]): string[] {
    const missing = [...this.#watchers].flatMap((watcher) => watcher.missing(entries))
    const { name, reason } = this.client.state
    return name === 'live' ? missing : [...missing, `${this.#name} is ${name}: ${reason}`]
  }

  async leave(): Promise<void> {
    this.client.close()
    await this.#link.close()
  }

  #begin(random: Random): void {
    const selection = selectionOf(Math.floor(random() * 32))
    const isLoop = random() < 0.2
    this.#watchers.add(new CheckedWatcher(this.#name, this.client, selection, this.#all, isLoop))
  }

  #end(watcher: CheckedWatcher): void {
    watcher.stop()
    this.#watchers.delete(watcher)
    this.#over.push(watcher)
  }

  #everyWatcher(): CheckedWatcher[] {
    return [...this.#watchers, ...this.#over]
  }
}
