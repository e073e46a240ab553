/**
 * Real clients behind bad links, over one or more instances, while others write:
 *
 *   a link and a client for each -> for a while: writes, links that go bad and heal, watches that begin and end
 *         -> good links, last writes -> every watcher is at the last values, every client `live`
 *         -> what was shown is compared with the log
 *
 * WATCHERS_SEED repeats the choices of a run (not its timing); WATCHERS_SECONDS makes it longer.
 */
import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Client, createClient, type Selection } from '@livekv/client'
import { TcpProxy } from '../services/tcp-proxy.ts'
import type { LatestEntry } from '../sigkill/check-log.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { AllShown, CheckedWatcher } from './checked-watcher.ts'
import type { Field, FieldWrite } from './field.ts'

const CLIENTS = 6
const WRITERS = 3
const MAX_WATCHES = 8
const KEYS = Array.from({ length: 400 }, (_, n) => `g${n % 6}/k${n}`)
/** Written to at one time; then others, so that what was missed of a key stays missed. */
const KEYS_AT_ONCE = 40
/** How often all keys have had their time. */
const ROUNDS = 2
/** Large enough that a link which stands still for a moment makes the server wait. */
const PADDING = 'x'.repeat(25_000)
const PREFIXES = ['g', 'g1', 'g1/k', 'g3/', 'none']
/** Only ends a run in which a watcher is stuck. */
const CATCH_UP_TIMEOUT_MS = 60_000

type Random = () => number

const pick = <T>(items: readonly T[], random: Random): T => items[Math.floor(random() * items.length)]!

export function chooseSeed(): number {
  const seed = Number(process.env.WATCHERS_SEED ?? randomInt(2 ** 31))
  console.log(`WATCHERS_SEED=${seed}`)
  return seed
}

export async function runWatchers(
  field: Field,
  seed: number,
): Promise<{ problems: string[]; figures: string }> {
  const seconds = Number(process.env.WATCHERS_SECONDS ?? 15)
  let actors = 0
  const newRandom = () => seededRandom(seed + ++actors)
  const all = new AllShown(field.mayReset)
  const seats = await Promise.all(
    Array.from({ length: CLIENTS }, (_, n) => Seat.take(`client ${n}`, n % 3 > 0, field, all, newRandom())),
  )
  const end = new AbortController()
  try {
    const acting = Promise.all([
      field.disturb(newRandom(), end.signal),
      ...Array.from({ length: WRITERS }, (_, n) => write(`w${n}`, field, seconds, newRandom(), end.signal)),
      ...seats.flatMap((seat) => [
        seat.spoilLink(newRandom(), end.signal),
        seat.beginAndEnd(newRandom(), end.signal),
      ]),
    ])
    await Promise.race([sleep(seconds * 1_000), acting])
    end.abort()
    await acting
    for (const seat of seats) seat.heal()
    // Nothing else tells a watcher that it is behind.
    await field.write(KEYS.slice(0, 5).map((key) => ({ op: 'put', key, value: `last of ${key}` })))
    const stuck = await waitForAll(seats, await field.entries())
    const log = await field.log()
    const problems = [...seats.flatMap((seat) => seat.problems), ...all.check(log), ...stuck]
    const sum = (count: (seat: Seat) => number) => seats.reduce((total, seat) => total + count(seat), 0)
    return {
      problems,
      figures: [
        `seed ${seed}: ${log.length} changes, ${all.size} of them shown in ${sum(({ events }) => events)} events`,
        `to ${sum(({ begun }) => begun)} watchers over ${sum(({ connections }) => connections)} connections,`,
        `${sum(({ resets }) => resets)} of them reset`,
      ].join(' '),
    }
  } finally {
    end.abort()
    await Promise.all(seats.map((seat) => seat.leave()))
  }
}

/** A client, its link, and its watchers. */
class Seat {
  readonly #name: string
  readonly #field: Field
  readonly #all: AllShown
  readonly #link: TcpProxy
  readonly #client: Client
  readonly #watchers = new Set<CheckedWatcher>()
  readonly #over: CheckedWatcher[] = []
  connections = 0
  begun = 0

  static async take(
    name: string,
    webSockets: boolean,
    field: Field,
    all: AllShown,
    random: Random,
  ): Promise<Seat> {
    const link = await TcpProxy.start({ port: pick(field.ports, random) })
    // By long polling no more is on its way than one answer: the server is the one that waits.
    if (!webSockets) link.refuseWebSockets()
    return new Seat(name, field, all, link)
  }

  private constructor(name: string, field: Field, all: AllShown, link: TcpProxy) {
    this.#name = name
    this.#field = field
    this.#all = all
    this.#link = link
    this.#client = createClient(`http://127.0.0.1:${link.port}`)
    let wasLive = false
    this.#client.onState(({ name }) => {
      if (name === 'live' && !wasLive) this.connections++
      wasLive = name === 'live'
    })
  }

  async spoilLink(random: Random, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await wait(random() * 1_000, signal)
      const dice = random()
      if (dice < 0.3) this.#link.cut()
      else if (dice < 0.5) {
        // To another instance, if there is one, which may be behind this one.
        this.#link.leadTo({ port: pick(this.#field.ports, random) })
        this.#link.cut()
      } else if (dice < 0.6) this.#link.stall('toClient')
      else if (dice < 0.65) this.#link.stall('toServer')
      else if (dice < 0.7) this.#link.blackHole()
      else if (dice < 0.85) this.#link.delay(random() * 200)
      else this.#link.throttle(50_000 + random() * 1_000_000)
      await wait(random() * 2_500, signal)
      // In the middle of what has to wait.
      if (random() < 0.4) this.#link.cut()
      this.#link.heal()
    }
  }

  async beginAndEnd(random: Random, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (this.#watchers.size < MAX_WATCHES && random() < 0.6) this.#begin(random)
      else if (this.#watchers.size > 0) this.#end(pick([...this.#watchers], random))
      await wait(random() * 400, signal)
    }
  }

  heal(): void {
    this.#link.heal()
  }

  get state(): string {
    return this.#client.state.name
  }

  get problems(): string[] {
    return [...this.#watchers, ...this.#over].flatMap(({ problems }) => problems)
  }

  get events(): number {
    return [...this.#watchers, ...this.#over].reduce((sum, { events }) => sum + events, 0)
  }

  get resets(): number {
    return [...this.#watchers, ...this.#over].reduce((sum, { resets }) => sum + resets, 0)
  }

  missing(entries: readonly LatestEntry[]): string[] {
    const missing = [...this.#watchers].flatMap((watcher) => watcher.missing(entries))
    return this.state === 'live' ? missing : [...missing, `${this.#name} is ${this.state}`]
  }

  async leave(): Promise<void> {
    this.#client.close()
    await this.#link.close()
  }

  #begin(random: Random): void {
    this.begun++
    this.#watchers.add(
      new CheckedWatcher(this.#name, this.#client, selectionOf(random), this.#all, random() < 0.2),
    )
  }

  #end(watcher: CheckedWatcher): void {
    watcher.stop()
    this.#watchers.delete(watcher)
    this.#over.push(watcher)
  }
}

function selectionOf(random: Random): Selection {
  const dice = random()
  if (dice < 0.3) return { key: pick([...KEYS, 'none'], random) }
  if (dice < 0.6) return { keys: [pick(KEYS, random), pick(KEYS, random), pick(KEYS, random), 'none'] }
  if (dice < 0.9) return { prefix: pick(PREFIXES, random) }
  return { all: true }
}

/** Each put has a value of its own, so that a wrong one is seen. */
async function write(
  name: string,
  field: Field,
  seconds: number,
  random: Random,
  signal: AbortSignal,
): Promise<void> {
  const began = performance.now()
  for (let n = 0; !signal.aborted; ) {
    const first = ((performance.now() - began) / 1_000 / seconds) * ROUNDS * KEYS.length
    const count = random() < 0.8 ? 1 : 1 + Math.floor(random() * 20)
    const writes = Array.from({ length: count }, (): FieldWrite => {
      const key = KEYS[Math.floor(first + random() * KEYS_AT_ONCE) % KEYS.length]!
      if (random() < 0.2) return { op: 'delete', key }
      return { op: 'put', key, value: `${name} ${n++}${random() < 0.3 ? PADDING : ''}` }
    })
    await field.write(writes)
    await wait(random() * 20, signal)
  }
}

async function waitForAll(seats: readonly Seat[], entries: readonly LatestEntry[]): Promise<string[]> {
  const deadline = Date.now() + CATCH_UP_TIMEOUT_MS
  while (true) {
    const missing = seats.flatMap((seat) => seat.missing(entries))
    if (missing.length === 0 || Date.now() > deadline) return missing.map((problem) => `stuck: ${problem}`)
    await sleep(50)
  }
}

export function wait(ms: number, signal: AbortSignal): Promise<void> {
  return sleep(ms, undefined, { signal }).catch(() => {})
}
