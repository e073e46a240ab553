import { RecencyList } from '../live/recency-list.ts'
import type { Cache, CachedItem } from './cache.ts'

interface Node {
  item: CachedItem
  bytes: number
  newer: Node | undefined
  older: Node | undefined
}

/** What an item weighs besides its characters: two objects, the map's slot, five numbers. */
const ITEM_OVERHEAD = 250

/** Least recently used goes first. Answers in the same tick. */
export class MemoryCache implements Cache {
  readonly problem = null
  readonly #maxBytes: number
  readonly #nodes = new Map<string, Node>()
  readonly #order = new RecencyList<Node>()
  #bytes = 0

  constructor(options: { maxBytes: number }) {
    this.#maxBytes = options.maxBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  get(keys: readonly string[]): Map<string, CachedItem> {
    const found = new Map<string, CachedItem>()
    for (const key of keys) {
      const node = this.#nodes.get(key)
      if (!node) continue
      this.#order.moveToNewest(node)
      found.set(key, node.item)
    }
    return found
  }

  set(items: readonly CachedItem[]): void {
    for (const item of items) {
      const bytes = ITEM_OVERHEAD + item.key.length + (item.entry?.json.length ?? 0)
      const node = this.#nodes.get(item.key)
      if (node) {
        if (node.item.asOf > item.asOf) continue
        this.#bytes += bytes - node.bytes
        node.item = item
        node.bytes = bytes
        this.#order.moveToNewest(node)
      } else {
        const added: Node = { item, bytes, newer: undefined, older: undefined }
        this.#nodes.set(item.key, added)
        this.#order.addNewest(added)
        this.#bytes += bytes
      }
    }
    while (this.#bytes > this.#maxBytes && this.#order.oldest) {
      const oldest = this.#order.oldest
      this.#order.remove(oldest)
      this.#nodes.delete(oldest.item.key)
      this.#bytes -= oldest.bytes
    }
  }

  async close(): Promise<void> {
    this.#nodes.clear()
    this.#order.clear()
    this.#bytes = 0
  }
}
