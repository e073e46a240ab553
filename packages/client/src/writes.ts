import type { ErrorBody, WriteAnswer } from '@livekv/protocol'
import { askedMs, backoffMs } from './backoff.ts'
import { isErrorBody, LiveKVError, shown } from './error.ts'
import { closedError } from './http.ts'
import type { JsonCodec } from './json-codec.ts'
import { LinkLost } from './link.ts'
import type { Pending } from './pending.ts'
import { Batcher } from './write-batches.ts'
import type { Write, WriteResult } from './write-options.ts'

/**
 * put -> queue of its key -> batch (at once, with whatever else waits) -> answer -> done
 *                     ^___ link lost, or an error that passes: again, at its old place, with its idempotency key
 *
 * A key's next write is sent only when the one before is answered (or goes in the same batch, after it), so that a
 * write that has to be sent again never lands after a later one. (Writes in order are sent as if all had one key.)
 * Nothing waits for longer than RETRY_FOR_MS: by then either it was never sent, or its fate is unknown, and the error
 * says which.
 */
export const RETRY_FOR_MS = 5 * 60_000
const MAX_PENDING = 100_000
const MAX_PENDING_CHARS = 64 * 1024 * 1024
/** The rest waits here, so that the server's queue stays short and its signs of life do not wait behind all of it. */
const MAX_UNDER_WAY_CHARS = 1024 * 1024
const PAUSE_MIN_MS = 100
const PAUSE_MAX_MS = 5_000

export interface BatchAnswer {
  results: WriteAnswer[]
}

/** Sends one batch, each write as JSON text, `chars` long together. Rejects with LinkLost when nobody can say what became of it. */
export type SendBatch = (writes: readonly string[], chars: number) => Promise<BatchAnswer | ErrorBody>

type Prepared = Pick<Pending, 'op' | 'key' | 'idempotencyKey' | 'text'>

export class Writes {
  readonly #send: SendBatch
  readonly #json: JsonCodec
  readonly #batcher = new Batcher()
  /** In the order of issue, which is the order of their deadlines. */
  readonly #pending = new Set<Pending>()
  #pendingChars = 0
  #underWayChars = 0
  #isUp = false
  #isClosed = false
  #flushing = false
  #pauses = 0
  #pause: ReturnType<typeof setTimeout> | undefined
  #deadline: ReturnType<typeof setTimeout> | undefined

  constructor(send: SendBatch, json: JsonCodec) {
    this.#send = send
    this.#json = json
  }

  write(request: Write): Promise<WriteResult> {
    return this.writeMany([request])[0]!
  }

  /** Each stands for itself, but there is room for all of them or for none: then it throws. */
  writeMany(requests: readonly Write[]): Promise<WriteResult>[] {
    return this.#queue(requests.map((request) => prepared(request, this.#json)))
  }

  /**
   * Each is sent after, or in one batch with, the one ahead of it, whatever their keys. Throws, and sends nothing, if
   * one of them cannot be sent at all.
   */
  writeInOrder(requests: readonly Write[]): Promise<WriteResult>[] {
    const writes = requests.map((request) => prepared(request, this.#json))
    for (const write of writes) if (write instanceof LiveKVError) throw write
    return this.#queue(writes, true)
  }

  up(): void {
    this.#expire()
    this.#isUp = true
    this.#resume()
  }

  down(): void {
    this.#isUp = false
    // What delayed the next try was of the server that is gone.
    this.#resume()
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#pause)
    clearTimeout(this.#deadline)
    for (const pending of this.#pending) {
      this.#settle(pending, pending.mayBeApplied ? unknownFate(pending, CLOSED) : notApplied(pending, CLOSED))
    }
  }

  #queue(writes: readonly (Prepared | LiveKVError)[], inOrder = false): Promise<WriteResult>[] {
    if (this.#isClosed) throw closedError()
    const chars = writes.reduce(
      (sum, write) => sum + (write instanceof LiveKVError ? 0 : write.text.length),
      0,
    )
    if (this.#pending.size + writes.length > MAX_PENDING || this.#pendingChars + chars > MAX_PENDING_CHARS) {
      throw new LiveKVError(
        'OVERLOADED',
        `${writes.length} more writes were not taken: ${this.#pending.size} wait for the server already, and a client holds at most ${MAX_PENDING}, or 64 MiB. Wait for earlier ones.`,
      )
    }
    const [issuedMs, issuedAt] = [performance.now(), Date.now()]
    const queued: Pending[] = []
    const promises = writes.map((write) => {
      if (write instanceof LiveKVError) return Promise.reject(write)
      return new Promise<WriteResult>((resolve, reject) => {
        const pending: Pending = {
          ...write,
          issuedMs,
          issuedAt,
          resolve,
          reject,
          mayBeApplied: false,
          isDone: false,
        }
        this.#pending.add(pending)
        this.#pendingChars += pending.text.length
        queued.push(pending)
      })
    })
    if (inOrder) this.#batcher.addInOrder(queued)
    else for (const pending of queued) this.#batcher.add(pending)
    this.#watchDeadline()
    this.#flushSoon()
    return promises
  }

  /** After the present tick: what is written together is sent together. */
  #flushSoon(): void {
    if (this.#flushing) return
    this.#flushing = true
    queueMicrotask(() => {
      this.#flushing = false
      if (!this.#isUp || this.#pause !== undefined || this.#isClosed) return
      // A device that slept may come here before its timers.
      this.#expire()
      const room = MAX_UNDER_WAY_CHARS - this.#underWayChars
      for (const batch of this.#batcher.take(room)) void this.#sendBatch(batch)
    })
  }

  async #sendBatch(batch: readonly Pending[]): Promise<void> {
    let chars = 0
    /** Were never sent before, or were refused each time. */
    const fresh = new Set<Pending>()
    for (const pending of batch) {
      if (!pending.mayBeApplied) fresh.add(pending)
      pending.mayBeApplied = true
      chars += pending.text.length
    }
    this.#underWayChars += chars
    let answer: BatchAnswer | ErrorBody | LinkLost
    try {
      answer = await this.#send(
        batch.map(({ text }) => text),
        chars,
      )
    } catch (error) {
      if (!(error instanceof LinkLost)) throw error
      answer = error
    } finally {
      this.#underWayChars -= chars
    }
    const again =
      answer instanceof LinkLost
        ? [...batch]
        : isErrorBody(answer)
          ? this.#refused(batch, LiveKVError.of(answer), fresh)
          : this.#answered(batch, answer.results, fresh)
    this.#batcher.free(
      batch,
      again.filter(({ isDone }) => !isDone),
    )
    this.#flushSoon()
  }

  /** The request as a whole. */
  #refused(batch: readonly Pending[], error: LiveKVError, fresh: ReadonlySet<Pending>): Pending[] {
    if (saysNotApplied(error)) for (const pending of fresh) pending.mayBeApplied = false
    if (error.retryable) {
      const { limit } = error.details
      if (error.code === 'RATE_LIMITED' && typeof limit === 'number') this.#batcher.rateLimited(limit)
      this.#pauseFor(error)
    } else if (batch.length === 1) this.#settle(batch[0]!, error)
    else if (error.code === 'BATCH_TOO_LARGE') this.#batcher.shrinkTo(batch.length >> 1)
    // One of them may have spoilt it for the others.
    else for (const pending of batch) pending.isAlone = true
    return [...batch]
  }

  #answered(
    batch: readonly Pending[],
    results: readonly WriteAnswer[],
    fresh: ReadonlySet<Pending>,
  ): Pending[] {
    this.#batcher.letThrough(batch.length)
    const again: Pending[] = []
    /** Keys of which a later write than the one looked at was decided. */
    const decided = new Set<string>()
    let passing: LiveKVError | undefined
    for (let index = batch.length - 1; index >= 0; index--) {
      const pending = batch[index]!
      const result = results[index]
      const { key } = pending
      if (result && !isErrorBody(result)) this.#settle(pending, result)
      else {
        const error = result
          ? failure(result, key)
          : new LiveKVError('COMMIT_UNKNOWN', 'The answer lacks this write.')
        if (error.retryable && !decided.has(key)) {
          passing = error
          again.unshift(pending)
          if (saysNotApplied(error) && fresh.has(pending)) pending.mayBeApplied = false
          continue
        }
        this.#settle(pending, error)
      }
      decided.add(key)
    }
    if (passing) this.#pauseFor(passing)
    else this.#pauses = 0
    return again
  }

  #settle(pending: Pending, outcome: WriteResult | LiveKVError): void {
    if (pending.isDone) return
    pending.isDone = true
    this.#pending.delete(pending)
    this.#pendingChars -= pending.text.length
    if (outcome instanceof LiveKVError) pending.reject(outcome)
    else pending.resolve(outcome)
  }

  #pauseFor(error: LiveKVError): void {
    if (this.#pause !== undefined) return
    const pauseMs = askedMs(error) + backoffMs(this.#pauses++, PAUSE_MIN_MS, PAUSE_MAX_MS)
    this.#pause = setTimeout(() => this.#resume(), pauseMs)
  }

  #resume(): void {
    clearTimeout(this.#pause)
    this.#pause = undefined
    this.#flushSoon()
  }

  #watchDeadline(): void {
    if (this.#deadline !== undefined || this.#isClosed) return
    const [first] = this.#pending
    if (!first) return
    this.#deadline = setTimeout(() => this.#expire(), Math.max(0, RETRY_FOR_MS - ageMs(first)))
  }

  #expire(): void {
    clearTimeout(this.#deadline)
    this.#deadline = undefined
    for (const pending of this.#pending) {
      if (ageMs(pending) < RETRY_FOR_MS) break
      this.#batcher.remove(pending)
      this.#settle(
        pending,
        pending.mayBeApplied ? unknownFate(pending, EXPIRED) : notApplied(pending, EXPIRED),
      )
    }
    this.#watchDeadline()
  }
}

/**
 * The longer by both clocks (one stands still while some devices sleep): the server remembers idempotency keys for
 * 10 minutes, and a write sent again after that could be applied twice.
 */
function ageMs({ issuedMs, issuedAt }: Pending): number {
  return Math.max(performance.now() - issuedMs, Date.now() - issuedAt)
}

function failure(body: ErrorBody, key: string): LiveKVError {
  return LiveKVError.of({ ...body, key })
}

/** The others may stand for a commit that was under way. */
function saysNotApplied({ code, details }: LiveKVError): boolean {
  if (code === 'COMMIT_UNKNOWN' || code === 'INTERNAL') return false
  return code !== 'STORE_FAILED' || details.outcome === 'not-applied'
}

const CLOSED = 'the client was closed'
const EXPIRED = `no acknowledgement within ${RETRY_FOR_MS / 60_000} minutes`

function notApplied({ op, key }: Pending, why: string): LiveKVError {
  return new LiveKVError(
    why === CLOSED ? 'CLIENT_CLOSED' : 'UNREACHABLE',
    `The ${op} of ${shown(key)} was not applied: ${why}. Write it again.`,
    { key },
  )
}

function unknownFate({ op, key, idempotencyKey }: Pending, why: string): LiveKVError {
  return new LiveKVError(
    'COMMIT_UNKNOWN',
    `The fate of the ${op} of ${shown(key)} is unknown (${why}): it may have been applied or not. Read the key, or write again with this idempotency key soon.`,
    { key, idempotencyKey },
  )
}

/** What happens to the caller's objects later does not matter. */
function prepared(request: Write, json: JsonCodec): Prepared | LiveKVError {
  const { op, key } = request
  if (typeof key !== 'string' || key === '') {
    return new LiveKVError('INVALID_KEY', `The key ${shown(key)} must be a string that is not empty.`)
  }
  const refused = (why: string, cause?: unknown) =>
    new LiveKVError('INVALID_VALUE', `The ${op} of ${shown(key)} cannot be written: ${why}`, { key }, cause)
  if (op === 'put' && isNoJson(request.value)) {
    return refused(
      `its value is ${String(request.value)}, which JSON does not have. Use null, or delete the key.`,
    )
  }
  const idempotencyKey = request.idempotencyKey ?? newId()
  try {
    return { op, key, idempotencyKey, text: json.stringify({ ...request, idempotencyKey }) }
  } catch (error) {
    return refused((error as Error).message, error)
  }
}

function isNoJson(value: unknown): boolean {
  return value === undefined || typeof value === 'function' || typeof value === 'symbol'
}

/** 128 random bits. Not `randomUUID`, which browsers keep from pages that came over plain HTTP. */
function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join('-')
}
