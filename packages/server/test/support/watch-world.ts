import type { ChangesFrame, SnapshotFrame } from '@livekv/protocol'
import { CursorCodec } from '../../src/live/cursor.ts'
import { Hub } from '../../src/live/hub.ts'
import { KeySelection, PrefixSelection, type Selection } from '../../src/live/selection.ts'
import { Tail } from '../../src/live/tail.ts'
import { Watch, type WatchSources } from '../../src/live/watch.ts'
import { WatchAudience } from '../../src/live/watch-audience.ts'
import { StoreReads } from '../../src/store-reads.ts'
import { HeldCalls, settle } from './held-calls.ts'
import { LogOracle } from './log-oracle.ts'

/**
 * Clients that watch, over two instances of one store, with an adversary around them that never lies and keeps no other
 * promise: what is committed reaches an instance in any order, repeatedly, late or never; the store executes and
 * answers when it likes; the log is cut; the Tail holds two keys; connections end at any time, and clients come back on
 * either instance. What a client is sent it believes.
 */
export const KEYS = ['a', 'ab', 'b', 'c'] as const

const SELECTIONS: readonly Selection[] = [
  new KeySelection(['a']),
  new KeySelection(['c', 'ab', 'a']),
  new PrefixSelection('a'),
  new PrefixSelection(''),
]

/** What happens next; `n` chooses among the ways. */
export const OPS = [
  'put',
  'delete',
  'ownPut',
  'ownDelete',
  'bus',
  'busRun',
  'catchUp',
  'execute',
  'answer',
  'finish',
  'finishAll',
  'compact',
  'connect',
  'hangUp',
  'take',
  'takeAll',
  'refresh',
] as const

export interface WatchStep {
  op: (typeof OPS)[number]
  key: string
  n: number
}

export interface WorldOptions {
  /** Gaps of more than three changes are jumped over, and only keys watched by name are read again. */
  jumps: boolean
  /** Instances never wait for what a client has seen elsewhere. */
  impatient: boolean
}

class Instance {
  readonly hub: Hub
  readonly audience = new WatchAudience<Watch>()
  readonly sources: WatchSources

  constructor(world: WatchWorld, { jumps, impatient }: WorldOptions) {
    const { oracle, calls } = world
    const store = {
      get: (keys: readonly string[]) => calls.hold(() => oracle.get(keys)),
      // Pages of one entry, and of two changes.
      list: (page: { prefix?: string; after?: string; limit: number }) =>
        calls.hold(() => oracle.list({ ...page, limit: 1 })),
      changesSince: (from: number, limit: number) =>
        calls.hold(() => oracle.changesSince(from, Math.min(limit, 2))),
      latestChanges: (limit: number) => calls.hold(() => oracle.latestChanges(limit)),
      head: () => calls.hold(() => oracle.head),
    }
    const warn = (_: object, message: string) => void world.problems.push(message)
    const { audience } = this
    this.hub = new Hub({
      store,
      tail: new Tail({ maxEntries: 2, maxBytes: 250, maxPending: 2 }),
      watched: { keys: () => audience.keys(), prefixes: () => (jumps ? [] : ['']), known: () => [] },
      log: { warn },
      gapMs: 1e9,
      pollMs: 1e9,
      maxGap: 3,
    })
    const { hub } = this
    hub.listen((changes) => audience.deliver(changes))
    hub.onJump(() => {
      for (const watch of audience) watch.noteJump()
    })
    const reads = new StoreReads({ store, onRead: (_, head) => hub.noteHead(head) })
    this.sources = {
      hub,
      store,
      reads,
      audience,
      maxKeys: 100,
      timeoutMs: impatient ? 0 : 1e9,
      warn,
    }
  }
}

interface Shown {
  revision: number
  json: string | null
}

/** One client of the protocol: keeps its cursor, believes what it is sent, and checks it by the log. */
class Client {
  readonly #world: WatchWorld
  readonly #name: string
  readonly selection: Selection
  watch: Watch | undefined
  /** An absence that was not shown as a delete has the revision of the delete that it must stand for. */
  readonly #shown = new Map<string, Shown>()
  #cursor: string | undefined
  #inSnapshot: Set<string> | undefined
  /** Whether it was told that it is up to date. */
  isCurrent = false

  constructor(world: WatchWorld, name: string, selection: Selection) {
    this.#world = world
    this.#name = name
    this.selection = selection
  }

  connect({ sources }: Instance): void {
    const codec = new CursorCodec('world', this.selection)
    this.isCurrent = false
    this.#inSnapshot = undefined
    const watch = new Watch('w', this.selection, codec, sources, {
      wake() {},
      pageTurn: () => Promise.resolve(),
      pageDone() {},
      fail: (_, { error }) => this.#note(error),
    })
    this.watch = watch
    const since = this.#cursor === undefined ? undefined : codec.decode(this.#cursor)
    const { oracle } = this.#world
    const wasCut = since !== undefined && since.low < oracle.compactedThrough
    // Then it begins again with everything, whether or not it could have told what has changed.
    let hasJumped = false
    const stopListening = sources.hub.onJump(() => {
      hasJumped = true
    })
    watch
      .start(since, ({ reset, resumed }) => {
        stopListening()
        if (this.watch !== watch) return
        const isCut = since !== undefined && since.low < oracle.compactedThrough
        if (reset && !isCut) this.#note('was reset, but the log has all since its cursor')
        const mustReset = wasCut && !resumed && !hasJumped && sources.timeoutMs > 0
        if (mustReset && !reset) this.#note('was not told of the reset')
        if (resumed) return
        this.#cursor = undefined
        this.#inSnapshot = new Set()
      })
      .catch((error) => this.#note(String(error)))
  }

  hangUp(): void {
    this.watch?.end()
    this.watch = undefined
  }

  /** Takes a frame of as many changes as fit, at least one; false: there is none. */
  take(maxBytes: number): boolean {
    const packet = this.watch?.next(maxBytes)
    if (packet === undefined) return false
    const [name, frame] = JSON.parse(packet.text.slice(1))
    if (name === 'snapshot') this.#takeSnapshot(frame)
    else this.#takeChanges(frame)
    return true
  }

  /** What it ended at is what the log says. */
  checkEnd(): void {
    const { oracle } = this.#world
    for (const key of KEYS) {
      if (!this.#wants(key)) continue
      const json = oracle.latest(key)?.json ?? null
      const shown = this.#shown.get(key)?.json ?? null
      if (shown !== json) this.#note(`ended at ${key} ${shown}, the log at ${json}`)
    }
    if (!this.isCurrent) this.#note('was never told that it is up to date')
    if (this.watch?.waiting) this.#note(`${this.watch.waiting} changes were left waiting`)
  }

  #takeSnapshot({ entries, end, cursor }: SnapshotFrame): void {
    if (this.#inSnapshot === undefined) {
      this.#inSnapshot = new Set()
      this.#cursor = undefined
      this.isCurrent = false
    }
    for (const { key, value, revision } of entries) {
      this.#show(key, revision, JSON.stringify(value))
    }
    if (!end) {
      if (cursor !== undefined) this.#note('got a cursor before the end of a snapshot')
      return
    }
    for (const key of KEYS) if (this.#wants(key) && !this.#inSnapshot.has(key)) this.#showAbsence(key)
    this.#inSnapshot = undefined
    this.#cursor = cursor
    this.isCurrent = true
  }

  #takeChanges({ changes, cursor, current }: ChangesFrame): void {
    for (const change of changes) {
      const { key, revision } = change
      const json = change.op === 'put' ? JSON.stringify(change.value) : null
      const isUnknown = json === null && this.#world.oracle.log[revision - 1]?.key !== key
      if (isUnknown) this.#showAbsence(key, revision)
      else this.#show(key, revision, json)
    }
    if (this.#inSnapshot && cursor !== undefined) this.#note('got a cursor during a snapshot')
    if (cursor !== undefined) this.#cursor = cursor
    if (current) this.isCurrent = true
  }

  #show(key: string, revision: number, json: string | null): void {
    const logged = this.#world.oracle.log[revision - 1]
    if (logged?.key !== key || logged.json !== json)
      this.#note(`was shown ${key} ${json} as ${revision}, the log has ${logged?.key} ${logged?.json}`)
    if (!this.#wants(key)) this.#note(`was shown ${key}`)
    const before = this.#shown.get(key)?.revision ?? 0
    if (revision < before) this.#note(`was shown ${key} of ${revision} after that of ${before}`)
    this.#shown.set(key, { revision, json })
    this.#inSnapshot?.add(key)
  }

  /** `asOf`: the store's revision at which it had no value; undefined: somewhen since it was shown one. */
  #showAbsence(key: string, asOf?: number): void {
    const before = this.#shown.get(key)
    this.#inSnapshot?.add(key)
    let revision = before?.revision ?? 0
    if (before?.json) {
      const { log } = this.#world.oracle
      const deleted = log.find(
        (change) => change.key === key && change.json === null && change.revision > revision,
      )
      if (deleted === undefined || deleted.revision > (asOf ?? Number.POSITIVE_INFINITY)) {
        this.#note(`was told that ${key} is gone, which was at ${revision}`)
        return
      }
      revision = deleted.revision
    }
    this.#shown.set(key, { revision: Math.max(revision, asOf ?? 0), json: null })
  }

  #wants(key: string): boolean {
    const { keys, prefix } = this.selection
    return keys ? keys.includes(key) : key.startsWith(prefix)
  }

  #note(problem: string): void {
    this.#world.problems.push(`${this.#name} ${problem}`)
  }
}

class WatchWorld {
  readonly oracle = new LogOracle()
  readonly calls = new HeldCalls()
  readonly problems: string[] = []
  readonly instances: readonly Instance[]
  readonly clients: readonly Client[]
  #writes = 0

  constructor(options: WorldOptions) {
    this.instances = [1, 2].map(() => new Instance(this, options))
    this.clients = SELECTIONS.map((selection) => new Client(this, selection.identity, selection))
  }

  async start(): Promise<void> {
    for (const key of KEYS) this.oracle.append({ op: 'put', key, json: '"first"' })
    for (const { hub } of this.instances) {
      const started = hub.start()
      this.calls.finishOne()
      await started
    }
  }

  async take({ op, key, n }: WatchStep): Promise<void> {
    const { oracle, calls } = this
    const { hub } = this.instances[n % 2]!
    const client = this.clients[n % this.clients.length]!
    const at = (n * 7) % (oracle.head + 1)
    if (op === 'put') oracle.append({ op: 'put', key, json: `"${++this.#writes}"` })
    else if (op === 'delete') oracle.commit([{ op: 'delete', key }])
    else if (op === 'ownPut')
      hub.accept([oracle.append({ op: 'put', key, json: `"${++this.#writes}"` }, true)])
    else if (op === 'ownDelete') hub.accept([oracle.append({ op: 'delete', key }, true)])
    else if (op === 'bus') hub.receive(oracle.log.slice(at, at + 1))
    else if (op === 'busRun') hub.receive(oracle.log.slice(at, at + 4).reverse())
    else if (op === 'catchUp') {
      hub.noteHead(oracle.head)
      void hub.catchUp()
    } else if (op === 'execute') calls.execute(n)
    else if (op === 'answer') calls.answer(n)
    else if (op === 'finish') calls.finishOne()
    else if (op === 'finishAll') for (; calls.size > 0; await settle()) calls.finishOne()
    else if (op === 'compact')
      oracle.compactedThrough = Math.max(oracle.compactedThrough, oracle.head - (n % 4))
    else if (op === 'connect') {
      if (!client.watch) client.connect(this.instances[Math.floor(n / 4) % 2]!)
    } else if (op === 'hangUp') client.hangUp()
    else if (op === 'take') client.take(1)
    else if (op === 'takeAll') client.take(1e6)
    else if (op === 'refresh') client.watch?.refreshCursor()
    await settle()
  }

  /** The adversary rests: everything under way ends, everybody is connected and takes what there is. */
  async finish(): Promise<void> {
    const { calls, oracle, clients, instances } = this
    for (const [n, client] of clients.entries()) if (!client.watch) client.connect(instances[n % 2]!)
    for (let [round, rests] = [0, 0]; round < 1_000 && rests < 2; round++) {
      for (; calls.size > 0; await settle()) calls.finishOne()
      let isAtRest = true
      for (const { hub } of instances) {
        hub.noteHead(oracle.head)
        if (hub.contiguous >= oracle.head) continue
        isAtRest = false
        void hub.catchUp()
      }
      for (const client of clients) while (client.take(1e6)) isAtRest = false
      await settle()
      // What the last round set off may have come to something.
      rests = isAtRest && calls.size === 0 ? rests + 1 : 0
    }
    for (const client of clients) client.checkEnd()
  }

  async close(): Promise<void> {
    for (const client of this.clients) client.hangUp()
    const closed = Promise.all(this.instances.map(({ hub }) => hub.close()))
    for (; this.calls.size > 0; await settle()) this.calls.finishOne()
    await closed
  }
}

/** Takes the steps, lets everything come to rest, and says what was not as promised. */
export async function playWatches(options: WorldOptions, steps: readonly WatchStep[]): Promise<string[]> {
  const world = new WatchWorld(options)
  await world.start()
  try {
    for (const step of steps) {
      await world.take(step)
      if (world.problems.length > 0) return world.problems
    }
    await world.finish()
  } finally {
    await world.close()
  }
  return world.problems
}
