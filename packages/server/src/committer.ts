import { LiveKVError } from '@livekv/protocol'
import type { Change, CommitResult, Store, Write } from './store/store.ts'

/** One `submit`: settled as a whole, so that a promise is made per request and not per item. */
interface Request {
  writes: readonly Write[]
  bytes: number
  resolve: (results: CommitResult[]) => void
  reject: (error: unknown) => void
}

export interface CommitterOptions {
  store: Pick<Store, 'commit'>
  /**
   * Called before any of the commit's writers is answered, with what it applied and the highest revision its results
   * name (a conflict tells of somebody else's write). Must not throw.
   */
  onCommitted: (changes: readonly Change[], highestRevision: number) => void
  maxBatchItems?: number
  maxBatchBytes?: number
  maxQueuedItems?: number
  maxQueuedBytes?: number
}

/** What a write weighs besides the characters of its key and value. */
const WRITE_OVERHEAD = 64

/**
 * Group commit:
 *
 *   submit -> queue -> (no commit under way) batch -> store.commit -> next batch starts -> onCommitted -> answers
 *
 * There is no timer: a lone write is committed in the turn of the event loop in which it came, and what comes
 * while a commit is under way forms the next batch. One commit is under way at a time. A request is not split
 * over batches unless it is larger than one, and an atomic group never is.
 */
export class Committer {
  readonly #options: Required<CommitterOptions>
  #queue: Request[] = []
  #queuedItems = 0
  #queuedBytes = 0
  /** Under way, or about to start in this turn. */
  #busy = false
  /** Batches that are committed and whose writers are not answered yet. */
  #unanswered = 0
  #closed = false
  #drained: (() => void) | undefined

  constructor(options: CommitterOptions) {
    this.#options = {
      maxBatchItems: 5_000,
      maxBatchBytes: 8 * 1024 * 1024,
      maxQueuedItems: 50_000,
      maxQueuedBytes: 64 * 1024 * 1024,
      ...options,
    }
  }

  /** Results in the order of the writes, after their commit. */
  submit(writes: readonly Write[]): Promise<CommitResult[]> {
    if (writes.length === 0) return Promise.resolve([])
    if (this.#closed) {
      return Promise.reject(
        new LiveKVError(
          'SHUTTING_DOWN',
          'This instance is stopping and takes no more writes; try another one.',
        ),
      )
    }
    const bytes = weigh(writes)
    const { maxQueuedItems, maxQueuedBytes, maxBatchItems, maxBatchBytes } = this.#options
    // An empty queue takes any request, or one above the limits could never be written.
    if (
      this.#queue.length > 0 &&
      (this.#queuedItems + writes.length > maxQueuedItems || this.#queuedBytes + bytes > maxQueuedBytes)
    ) {
      return Promise.reject(
        new LiveKVError(
          'OVERLOADED',
          `${this.#queuedItems} writes (${this.#queuedBytes} bytes) are waiting already; try again in a second.`,
          { retryAfterSeconds: 1 },
        ),
      )
    }
    if (writes.length > maxBatchItems || bytes > maxBatchBytes) return this.#submitSplit(writes)
    return this.#enqueue(writes, bytes)
  }

  /** Takes nothing new; resolves when everything taken has been answered. */
  close(): Promise<void> {
    this.#closed = true
    if (!this.#busy && this.#unanswered === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const earlier = this.#drained
      this.#drained = () => {
        earlier?.()
        resolve()
      }
    })
  }

  #enqueue(writes: readonly Write[], bytes: number): Promise<CommitResult[]> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ writes, bytes, resolve, reject })
      this.#queuedItems += writes.length
      this.#queuedBytes += bytes
      if (this.#busy) return
      this.#busy = true
      // Requests that arrived in one poll of the sockets share the first batch.
      setImmediate(() => this.#startNext())
    })
  }

  async #submitSplit(writes: readonly Write[]): Promise<CommitResult[]> {
    const parts = split(writes, this.#options.maxBatchItems, this.#options.maxBatchBytes)
    const settled = await Promise.allSettled(parts.map((part) => this.#enqueue(part, weigh(part))))
    const failed = settled.find((part) => part.status === 'rejected')
    if (!failed) return settled.flatMap((part) => (part.status === 'fulfilled' ? part.value : []))
    if (settled.every((part) => part.status === 'rejected')) throw failed.reason
    throw new LiveKVError(
      'COMMIT_UNKNOWN',
      'A part of the request was committed and another was not; retry it with the same idempotency keys, or in smaller requests.',
      {},
      failed.reason,
    )
  }

  #startNext(): void {
    const batch = this.#takeBatch()
    if (batch.length === 0) {
      this.#busy = false
      this.#noteDrained()
      return
    }
    this.#options.store.commit(joinWrites(batch)).then(
      (results) => this.#committed(batch, results),
      (error) => {
        this.#startNext()
        for (const request of batch) request.reject(error)
      },
    )
  }

  #committed(batch: readonly Request[], results: CommitResult[]): void {
    const changes: Change[] = []
    let highest = 0
    for (const result of results) {
      if (result.status === 'failed') continue
      // A repeated write's change may be news here too: another instance may have made it.
      if (result.status === 'applied') changes.push(result.change)
      const revision = result.status === 'applied' ? result.change.revision : result.revision
      if (revision > highest) highest = revision
    }
    // The store works on the next batch meanwhile. Where there is one, it is on its way before anybody is answered:
    // answering a full batch takes the event loop about as long as the store takes for the next.
    this.#startNext()
    this.#options.onCommitted(changes, highest)
    this.#unanswered++
    if (this.#busy || this.#unanswered > 1) setImmediate(() => this.#answer(batch, results))
    else this.#answer(batch, results)
  }

  #answer(batch: readonly Request[], results: CommitResult[]): void {
    let start = 0
    for (const request of batch) {
      const end = start + request.writes.length
      request.resolve(batch.length === 1 ? results : results.slice(start, end))
      start = end
    }
    this.#unanswered--
    this.#noteDrained()
  }

  #noteDrained(): void {
    if (this.#busy || this.#unanswered > 0) return
    this.#drained?.()
    this.#drained = undefined
  }

  #takeBatch(): Request[] {
    const { maxBatchItems, maxBatchBytes } = this.#options
    let items = 0
    let bytes = 0
    let count = 0
    for (const request of this.#queue) {
      if (
        count > 0 &&
        (items + request.writes.length > maxBatchItems || bytes + request.bytes > maxBatchBytes)
      )
        break
      items += request.writes.length
      bytes += request.bytes
      count++
    }
    this.#queuedItems -= items
    this.#queuedBytes -= bytes
    if (count < this.#queue.length) return this.#queue.splice(0, count)
    const batch = this.#queue
    this.#queue = []
    return batch
  }
}

/** Atomic groups are numbered per request: in a batch of several the numbers are made unique. */
function joinWrites(batch: readonly Request[]): readonly Write[] {
  const [first] = batch
  if (first && batch.length === 1) return first.writes
  const writes: Write[] = []
  let group = 0
  for (const request of batch) {
    let before: number | undefined
    for (const write of request.writes) {
      if (write.atomicGroup === undefined) {
        before = undefined
        writes.push(write)
        continue
      }
      if (write.atomicGroup !== before) group++
      before = write.atomicGroup
      writes.push({ ...write, atomicGroup: group })
    }
  }
  return writes
}

/** Into parts that fit a batch, never inside an atomic group (one that does not fit is a part of its own). */
function split(writes: readonly Write[], maxItems: number, maxBytes: number): Write[][] {
  const parts: Write[][] = []
  let part: Write[] = []
  let partBytes = 0
  for (let i = 0; i < writes.length; ) {
    let end = i + 1
    const group = writes[i]?.atomicGroup
    if (group !== undefined) while (writes[end]?.atomicGroup === group) end++
    const unit = writes.slice(i, end)
    const bytes = weigh(unit)
    if (part.length > 0 && (part.length + unit.length > maxItems || partBytes + bytes > maxBytes)) {
      parts.push(part)
      part = []
      partBytes = 0
    }
    part.push(...unit)
    partBytes += bytes
    i = end
  }
  if (part.length > 0) parts.push(part)
  return parts
}

/** In characters, which is bytes enough for a bound. */
function weigh(writes: readonly Write[]): number {
  let bytes = 0
  for (const write of writes) {
    bytes += WRITE_OVERHEAD + write.key.length
    if (write.op === 'put') bytes += write.json.length
  }
  return bytes
}
