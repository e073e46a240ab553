/**
 * All clients of a fault run. Those behind Nginx come from an address of their own, 127.0.N.1, so that `ip_hash` spreads
 * them over the instances; those that are to know which instance they speak to go to it directly.
 */
import { Agent } from 'node:http'
import { HttpClient } from '../sigkill/http-client.ts'
import { LiveWatcher } from '../sigkill/live-watcher.ts'
import { Watcher } from '../sigkill/watcher.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { AllShown } from '../watchers/checked-watcher.ts'
import { ClientChannel } from './client-channel.ts'
import { ClientSeat } from './client-seat.ts'
import type { FaultCluster } from './fault-cluster.ts'
import { PROBE_KEY } from './fault-injector.ts'
import { CLASSIC_CATCH_UP_MS, type HealedWatcher, LIVE_CATCH_UP_MS } from './heal-check.ts'
import { KEYS, keyToRead, pick, selectionOf } from './keys.ts'
import { LiveChannel } from './live-channel.ts'
import { LoadWriter, type WriterOptions } from './load-writer.ts'
import { Poller } from './poller.ts'
import { type LatestChanges, type LatestEntry, timeOfWrite, type WriteRecord } from './records.ts'
import { HttpChannel } from './write-channel.ts'

const HTTP_WRITERS = 3
const LIVE_WRITERS = 3
const CLIENTS = 4
const CLASSIC_WATCHERS = 8
/** Classic ones that come from one address after the other, and so to one instance after the other. */
const WANDERERS = 4
const ADDRESSES_OF_WANDERER = 5
const LIVE_WATCHERS = 12
const LATE_POLLERS = 2
const TRY_TIMEOUT_MS = 5_000
/** How far back the writes lie that a reader asks to see at least. */
const RECENT_WRITES = 50

export class Fleet {
  readonly writers: LoadWriter[] = []
  readonly pollers: Poller[] = []
  readonly classicWatchers: Watcher[] = []
  readonly liveWatchers: LiveWatcher[] = []
  readonly seats: ClientSeat[] = []
  /** Of the faults' own writes. */
  readonly probes: WriteRecord[] = []
  /** By revision, what watchers without the library were shown. */
  readonly shown = new Map<number, LatestEntry>()
  readonly shownByLibrary = new AllShown(false)
  /** Instances that answered somebody who came by way of Nginx. */
  readonly served = new Map<string, number>()
  readonly #cluster: FaultCluster
  readonly #seed: number
  readonly #now: () => number
  readonly #http: HttpClient[] = []
  readonly #direct: HttpClient[]
  readonly #liveChannels: LiveChannel[] = []
  readonly #recent: WriteRecord[] = []
  readonly #known = new Map<string, number>()
  readonly #coming = new AbortController()
  readonly #goings: Promise<void>[] = []
  #writes = 0
  #addresses = 0
  #actors = 0

  constructor(cluster: FaultCluster, seed: number, now: () => number) {
    this.#cluster = cluster
    this.#seed = seed
    this.#now = now
    this.#direct = cluster.instances.map(({ url }) => new HttpClient(url, { timeoutMs: TRY_TIMEOUT_MS }))
  }

  /** `writesPerSecond`: of all writers together, batches counted as one. */
  async start(writesPerSecond: number): Promise<void> {
    const { nginx, instances } = this.#cluster
    for (let index = 0; index < CLIENTS; index++) {
      const target = { port: nginx.port, localAddress: this.#nextAddress() }
      const seat = await ClientSeat.take(`client ${index}`, target, this.shownByLibrary)
      this.seats.push(seat)
      this.#goings.push(seat.beginAndEnd(this.#random(), this.#coming.signal))
    }
    for (let index = 0; index < CLASSIC_WATCHERS; index++) {
      const keys = KEYS.filter((_, n) => (n + index) % 24 === 0)
      this.classicWatchers.push(
        new Watcher(nginx.url, [...keys, PROBE_KEY], this.shown, {
          transports: index % 4 === 3 ? ['polling', 'websocket'] : ['websocket'],
          agent: this.#nextAgent(),
        }),
      )
    }
    for (let index = 0; index < WANDERERS; index++) {
      const watcher = new Watcher(
        nginx.url,
        KEYS.filter((_, n) => n % WANDERERS === index),
        this.shown,
        {
          transports: ['websocket'],
          agents: Array.from({ length: ADDRESSES_OF_WANDERER }, () => this.#nextAgent()),
        },
      )
      this.classicWatchers.push(watcher)
      this.#goings.push(watcher.wander(this.#random(), this.#coming.signal))
    }
    for (let index = 0; index < LIVE_WATCHERS; index++) {
      const watcher = new LiveWatcher(nginx.url, selectionOf(index), this.shown, {
        transports: ['websocket'],
        agent: this.#nextAgent(),
      })
      this.liveWatchers.push(watcher)
      if (index % 3 === 0) this.#goings.push(watcher.comeAndGo(this.#random(), this.#coming.signal, 0.7))
    }
    for (let index = 0; index < HTTP_WRITERS; index++) {
      const client = this.#behindNginx()
      await this.#countServing(client)
      this.#addWriter({ who: `http${index}`, channel: new HttpChannel(client) })
    }
    for (let index = 0; index < LIVE_WRITERS; index++) {
      const channel = new LiveChannel(nginx.url, this.#nextAgent())
      this.#liveChannels.push(channel)
      this.#addWriter({ who: `live${index}`, channel })
    }
    for (const [index, seat] of this.seats.slice(0, 2).entries())
      this.#addWriter({ who: `client${index}`, channel: new ClientChannel(seat.client) })
    for (const [instance, client] of this.#direct.entries()) {
      const poller = this.#addPoller({ who: `poller${instance}`, client, instance, perSecond: 15 })
      this.#addWriter({
        who: `direct${instance}`,
        channel: new HttpChannel(new HttpClient(instances[instance]!.url, { timeoutMs: TRY_TIMEOUT_MS })),
        instance,
        onApplied: ({ key }) => void poller.read(key),
      })
    }
    for (let index = 0; index < LATE_POLLERS; index++) {
      const random = this.#random()
      const client = this.#behindNginx()
      await this.#countServing(client)
      const choose = () => {
        if (this.#recent.length === 0) return undefined
        const { key, revision } = pick(this.#recent, random)
        // The same key, which has to be that new; or any, which must not be older than the log was.
        return { key: random() < 0.5 ? key : keyToRead(random), atLeast: revision! }
      }
      this.#addPoller({ who: `atLeast${index}`, client, perSecond: 8, choose })
    }
    for (const writer of this.writers) writer.start(writesPerSecond / this.writers.length)
    for (const poller of this.pollers) poller.start()
  }

  /** Writes `PROBE_KEY` by way of that instance, once; resolves with the revision if it was acknowledged. */
  async probe(instance: number): Promise<number | undefined> {
    const n = ++this.#writes
    const record: WriteRecord = {
      ...{ n, who: 'probe', op: 'put', key: PROBE_KEY, value: `probe ${n}`, timed: true, keyed: false },
      ...{ instance, sentMs: this.#now(), answeredMs: 0, tries: [], outcome: 'unknown' },
    }
    this.probes.push(record)
    const channel = new HttpChannel(this.#direct[instance]!)
    const request = { op: 'put', key: PROBE_KEY, value: record.value!, time: timeOfWrite(n) } as const
    const tried = await channel.send([request], false)
    record.answeredMs = this.#now()
    if (tried.outcome === 'notApplied') record.outcome = 'refused'
    if (tried.outcome !== 'answered') return undefined
    const [item] = tried.items
    if (item?.status !== 'applied') return undefined
    Object.assign(record, { outcome: 'applied', revision: item.revision })
    return item.revision
  }

  /** Who watches `PROBE_KEY` and was not shown that change of it, or a later one. */
  behind(revision: number): string[] {
    return [
      ...this.liveWatchers.filter((watcher) => !watcher.isAt(PROBE_KEY, revision)).map(String),
      ...this.classicWatchers.flatMap((watcher, index) =>
        !watcher.keys.includes(PROBE_KEY) || watcher.isAt(PROBE_KEY, revision)
          ? []
          : [`classic watcher ${index}`],
      ),
    ]
  }

  /** Everybody who watches at this moment. */
  get watching(): HealedWatcher[] {
    return [
      ...this.classicWatchers.map((watcher, index) => ({
        ...{ name: `classic watcher ${index}`, limitMs: CLASSIC_CATCH_UP_MS },
        hasLeft: (sinceMs: number) => watcher.hasLeft(sinceMs),
        behind: (latest: LatestChanges) => watcher.behind(latest),
      })),
      ...this.liveWatchers.map((watcher) => ({
        ...{ name: String(watcher), limitMs: LIVE_CATCH_UP_MS },
        hasLeft: (sinceMs: number) => watcher.hasLeft(sinceMs),
        behind: (latest: LatestChanges) => watcher.behind(latest),
      })),
      ...this.seats.flatMap(({ watchers }) =>
        watchers.map((watcher) => ({
          ...{ name: String(watcher), limitMs: LIVE_CATCH_UP_MS, hasLeft: () => watcher.isOver },
          behind: (latest: LatestChanges, sinceMs: number) => watcher.behind(latest, sinceMs),
        })),
      ),
    ]
  }

  get writes(): WriteRecord[] {
    return [...this.writers.flatMap(({ records }) => records), ...this.probes]
  }

  /** Resolves when every write is settled, or after that time. */
  async stopWriting(withinMs: number): Promise<void> {
    await Promise.all(this.writers.map((writer) => writer.stop(withinMs)))
  }

  /** Everybody who comes and goes is there. */
  async settle(): Promise<void> {
    this.#coming.abort()
    await Promise.all([...this.#goings, ...this.pollers.map((poller) => poller.stop())])
  }

  get clientReconnects(): number {
    const connects = [...this.classicWatchers, ...this.liveWatchers, ...this.#liveChannels]
    const all = [...connects.map(({ connects }) => connects), ...this.seats.map((seat) => seat.connections)]
    return all.reduce((sum, count) => sum + Math.max(0, count - 1), 0)
  }

  async close(): Promise<void> {
    this.#coming.abort()
    await this.stopWriting(0)
    for (const watcher of [...this.classicWatchers, ...this.liveWatchers, ...this.#liveChannels])
      watcher.close()
    for (const client of [...this.#http, ...this.#direct]) client.close()
    await Promise.all(this.seats.map((seat) => seat.leave()))
  }

  #addWriter(options: Pick<WriterOptions, 'who' | 'channel' | 'instance' | 'onApplied'>): void {
    const { onApplied } = options
    this.writers.push(
      new LoadWriter({
        ...options,
        seed: this.#seed + 1_000_003 * ++this.#actors,
        now: this.#now,
        number: () => ++this.#writes,
        known: this.#known,
        onApplied: (write) => {
          this.#recent.push(write)
          if (this.#recent.length > RECENT_WRITES) this.#recent.shift()
          onApplied?.(write)
        },
      }),
    )
  }

  #addPoller(options: Omit<ConstructorParameters<typeof Poller>[0], 'random' | 'now'>): Poller {
    const poller = new Poller({ ...options, random: this.#random(), now: this.#now })
    this.pollers.push(poller)
    return poller
  }

  async #countServing(client: HttpClient): Promise<void> {
    const { body } = await client.send('GET', '/api/v1/status')
    this.served.set(body.instance, (this.served.get(body.instance) ?? 0) + 1)
  }

  #behindNginx(): HttpClient {
    const options = { localAddress: this.#nextAddress(), timeoutMs: TRY_TIMEOUT_MS }
    const client = new HttpClient(this.#cluster.nginx.url, options)
    this.#http.push(client)
    return client
  }

  #nextAgent(): Agent {
    return new Agent({ localAddress: this.#nextAddress() })
  }

  #nextAddress(): string {
    return `127.0.${++this.#addresses}.1`
  }

  #random(): () => number {
    return seededRandom(this.#seed + 1_000_003 * ++this.#actors)
  }
}
