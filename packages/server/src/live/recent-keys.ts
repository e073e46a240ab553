import type { Change, Store } from '../store/store.ts'
import type { Hub, HubLog } from './hub.ts'
import { RecencyList } from './recency-list.ts'

interface Node {
  key: string
  revision: number
  newer: Node | undefined
  older: Node | undefined
}

export interface RecentKeysOptions {
  store: Pick<Store, 'listRevisions'>
  hub: Hub
  limit: number
  log: HubLog
  /** How long `list` waits for the keys to be loaded. */
  loadTimeoutMs?: number
}

const LOAD_PAGE = 5_000
const RETRY_MS = 1_000

/**
 * The keys that have a value, most recently changed first, bounded.
 *
 * Loaded at the start, and again after the Hub has jumped, in pages in the order of the keys, so that no long
 * statement stops the writers; of these only the newest are kept. Kept up to date from the Hub. While
 * pages come in, a change of the Hub wins over an older revision in a page, and a delete is remembered until the
 * page that was being read has been taken in (later pages do not hold the key).
 */
export class RecentKeys {
  readonly #options: Required<RecentKeysOptions>
  /** Somewhat more than is answered, so that deletes do not make it load again each time. */
  readonly #capacity: number
  #nodes = new Map<string, Node>()
  readonly #order = new RecencyList<Node>()
  /** Keys exist that are not in the list. */
  #truncated = false
  #answer: { keys: string[]; truncated: boolean } | undefined
  /** Set while loading: replaces the list in the end. */
  #fresh: Map<string, Node> | undefined
  #freshTruncated = false
  /** Older keys than this were left out. */
  #freshFloor = 0
  readonly #deletedDuringPage = new Map<string, number>()
  #loaded: Promise<void> = Promise.resolve()
  #reloadWanted = false
  #closed = false
  readonly #stop: (() => void)[] = []

  constructor(options: RecentKeysOptions) {
    this.#options = { loadTimeoutMs: 5_000, ...options }
    this.#capacity = Math.ceil(options.limit * 1.25)
  }

  /** Begins to load in the background. The Hub must have been started. */
  start(): void {
    const { hub } = this.#options
    this.#stop.push(hub.listen((changes) => this.#apply(changes)))
    this.#stop.push(hub.onJump(() => this.#reload()))
    this.#reload()
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const stop of this.#stop) stop()
    await this.#loaded
  }

  /** The array is shared between the calls: do not change it. Still loading at the deadline: what there is, `truncated`. */
  async list(): Promise<{ keys: string[]; truncated: boolean }> {
    if (this.#fresh) await this.#waitForLoad()
    this.#answer ??= this.#build()
    return this.#answer
  }

  /** Keys that have a value as far as is known here. */
  known(): Iterable<string> {
    return this.#nodes.keys()
  }

  #apply(changes: readonly Change[]): void {
    this.#answer = undefined
    for (const change of changes) {
      if (change.json === null) this.#delete(change)
      else this.#put(change)
    }
    while (this.#nodes.size > this.#capacity && this.#order.oldest) {
      this.#nodes.delete(this.#order.oldest.key)
      this.#order.remove(this.#order.oldest)
      this.#truncated = true
    }
    // Deletes have eaten the reserve: the keys that were left out are wanted again.
    if (this.#truncated && this.#nodes.size < this.#options.limit && !this.#fresh) this.#reload()
  }

  #put({ key, revision }: Change): void {
    const node = this.#nodes.get(key)
    if (!node) this.#addNewest({ key, revision, newer: undefined, older: undefined })
    else if (node.revision < revision) {
      node.revision = revision
      this.#order.moveToNewest(node)
    }
    if (this.#fresh) this.#keepFresh(key, revision)
  }

  #delete({ key, revision }: Change): void {
    const node = this.#nodes.get(key)
    if (node && node.revision < revision) {
      this.#nodes.delete(key)
      this.#order.remove(node)
    }
    if (!this.#fresh) return
    this.#deletedDuringPage.set(key, revision)
    const fresh = this.#fresh.get(key)
    if (fresh && fresh.revision < revision) this.#fresh.delete(key)
  }

  #addNewest(node: Node): void {
    this.#nodes.set(node.key, node)
    this.#order.addNewest(node)
  }

  #keepFresh(key: string, revision: number): void {
    if (revision < this.#freshFloor) return
    const node = this.#fresh?.get(key)
    if (node) node.revision = Math.max(node.revision, revision)
    else this.#fresh?.set(key, { key, revision, newer: undefined, older: undefined })
    if (this.#fresh && this.#fresh.size > 2 * this.#capacity) this.#pruneFresh()
  }

  #pruneFresh(): void {
    if (!this.#fresh || this.#fresh.size <= this.#capacity) return
    const revisions = Float64Array.from(this.#fresh.values(), (node) => node.revision).sort()
    this.#freshFloor = revisions[revisions.length - this.#capacity] ?? 0
    this.#freshTruncated = true
    for (const node of this.#fresh.values()) {
      if (node.revision < this.#freshFloor) this.#fresh.delete(node.key)
    }
  }

  #reload(): void {
    if (this.#fresh) {
      this.#reloadWanted = true
      return
    }
    this.#loaded = this.#load()
  }

  async #load(): Promise<void> {
    do {
      this.#reloadWanted = false
      this.#fresh = new Map()
      this.#freshTruncated = false
      this.#freshFloor = 0
      for (let after: string | undefined; !this.#closed; ) {
        this.#deletedDuringPage.clear()
        const page = await this.#readPage(after)
        for (const { key, revision } of page) {
          if ((this.#deletedDuringPage.get(key) ?? 0) < revision) this.#keepFresh(key, revision)
        }
        after = page.at(-1)?.key
        if (after === undefined) break
      }
    } while (this.#reloadWanted && !this.#closed)
    this.#swap()
  }

  #swap(): void {
    this.#pruneFresh()
    const fresh = this.#fresh ?? new Map<string, Node>()
    this.#fresh = undefined
    this.#deletedDuringPage.clear()
    this.#nodes = new Map()
    this.#order.clear()
    for (const node of newest(fresh, this.#capacity).reverse()) this.#addNewest(node)
    this.#truncated = this.#freshTruncated
    this.#answer = undefined
  }

  async #readPage(after: string | undefined): Promise<{ key: string; revision: number }[]> {
    for (let reported = false; !this.#closed; reported = true) {
      try {
        return (
          await this.#options.store.listRevisions({
            ...(after === undefined ? {} : { after }),
            limit: LOAD_PAGE,
          })
        ).keys
      } catch (error) {
        if (!reported)
          this.#options.log.warn({ err: error }, 'the list of keys could not be loaded; trying again')
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
      }
    }
    return []
  }

  async #waitForLoad(): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.#options.loadTimeoutMs)
    })
    await Promise.race([this.#loaded, timeout])
    clearTimeout(timer)
  }

  #build(): { keys: string[]; truncated: boolean } {
    const { limit } = this.#options
    // Before the first load has ended, what it has found so far.
    if (this.#fresh && this.#nodes.size < this.#fresh.size) {
      return { keys: newest(this.#fresh, limit).map((node) => node.key), truncated: true }
    }
    const truncated = this.#truncated || this.#fresh !== undefined || this.#nodes.size > limit
    const keys: string[] = []
    for (let node = this.#order.newest; node && keys.length < limit; node = node.older) {
      if (node.older && node.older.revision > node.revision) {
        this.#sort()
        return this.#build()
      }
      keys.push(node.key)
    }
    return { keys, truncated }
  }

  /** Changes that arrived out of order are the exception, and near their place: sorting them is one pass. */
  #sort(): void {
    const nodes: Node[] = []
    for (let node = this.#order.newest; node; node = node.older) nodes.push(node)
    nodes.sort(byNewest)
    this.#order.clear()
    for (const node of nodes.reverse()) this.#order.addNewest(node)
  }
}

function newest(nodes: Map<string, Node>, limit: number): Node[] {
  return [...nodes.values()].sort(byNewest).slice(0, limit)
}

function byNewest(a: Node, b: Node): number {
  return b.revision - a.revision
}
