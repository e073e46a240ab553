import { FRAME_MAX_BYTES } from '@livekv/protocol'
import { entryText } from '../http/answer.ts'
import type { Entry, Store } from '../store/store.ts'
import type { StoreReads } from '../store-reads.ts'
import type { KeySelection, PrefixSelection, Selection } from './selection.ts'

/** What is read for one socket and held until it is sent, about. */
const PAGE_BYTES = 256 * 1024
const FIRST_PAGE = 50
const MAX_PAGE_KEYS = 500
const MAX_PAGE_ENTRIES = 1_000
/** About what an entry takes beside its key and value. */
const ENTRY_OVERHEAD = 150

/** A part of a selection, read from the store: complete up to `through` in the selection's order. */
export interface Page {
  entries: readonly Entry[]
  /** The head that a key of the page was read at: as of it, its entry, or that it has none, is the latest. */
  asOf(key: string): number
  /** The highest of them. */
  head: number
  /** Undefined: to the end. */
  through: string | undefined
}

export interface SnapshotSources {
  store: Pick<Store, 'list'>
  /** Shared by all watches: those who ask for the same key at once get it by one read, made after they asked. */
  reads: Pick<StoreReads, 'read'>
}

/**
 * Reads a selection in its order, a page at a time; each page is read when it is asked for, and from the store: neither
 * a cache nor this instance's Tail says what another instance may have shown already. Rules: snapshot-from-store,
 * tail-snapshot-from-high, page-head-together.
 */
export class Snapshot {
  readonly #selection: Selection
  readonly #sources: SnapshotSources
  #after: string | undefined
  #next = 0
  #limit = FIRST_PAGE

  constructor(selection: Selection, sources: SnapshotSources) {
    this.#selection = selection
    this.#sources = sources
  }

  async nextPage(): Promise<Page> {
    const page = await (this.#selection.keys
      ? this.#readKeys(this.#selection)
      : this.#readList(this.#selection))
    this.#after = page.through
    const { entries } = page
    const bytes = entries.reduce((sum, { key, json }) => sum + key.length + json.length + ENTRY_OVERHEAD, 1)
    this.#limit = Math.ceil((PAGE_BYTES / bytes) * Math.max(1, entries.length))
    return page
  }

  async #readKeys({ keys }: KeySelection): Promise<Page> {
    const asked = keys.slice(this.#next, this.#next + Math.min(this.#limit, MAX_PAGE_KEYS))
    const items = await Promise.all(asked.map((key) => this.#sources.reads.read(key, true)))
    this.#next += asked.length
    const asOf = new Map(items.map((item) => [item.key, item.asOf]))
    return {
      entries: items.flatMap(({ entry }) => entry ?? []),
      asOf: (key) => asOf.get(key) ?? 0,
      head: Math.max(...asOf.values()),
      through: this.#next < keys.length ? asked.at(-1) : undefined,
    }
  }

  async #readList({ prefix }: PrefixSelection): Promise<Page> {
    const { head, entries, more } = await this.#sources.store.list({
      prefix,
      ...(this.#after !== undefined && { after: this.#after }),
      limit: Math.min(this.#limit, MAX_PAGE_ENTRIES),
    })
    return { entries, asOf: () => head, head, through: more ? entries.at(-1)?.key : undefined }
  }
}

/** The texts of frames' entries: each about FRAME_MAX_BYTES at most, plus one entry; an empty one if one is needed. */
export function frameTexts(entries: readonly Entry[], evenEmpty: boolean): string[] {
  const frames: string[] = []
  let texts: string[] = []
  let size = 0
  for (const entry of entries) {
    const text = entryText(entry)
    texts.push(text)
    size += Buffer.byteLength(text) + 1
    if (size >= FRAME_MAX_BYTES) {
      frames.push(texts.join(','))
      texts = []
      size = 0
    }
  }
  if (texts.length > 0 || (evenEmpty && frames.length === 0)) frames.push(texts.join(','))
  return frames
}
