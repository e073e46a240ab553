import type { ErrorBody, WriteAnswer } from '@livekv/protocol'
import { isErrorBody, LiveKVError } from './error.ts'
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
    return this.#queue([prepared(request, this.#json)])[0]!
  }

  /** In one step: all are queued, or none. */
  writeMany(requests: readonly Write[]): Promise<WriteResult>[] {
    return this.#queue(requests.map((request) => prepared(request, this.#json)))
  }

  /** The same, and each is sent after, or in one batch with, the one ahead of it, whatever their keys. */
  writeInOrder(requests: readonly Write[]): Promise<WriteResult>[] {
    return this.#queue(
      requests.map((request) => prepared(request, this.#json)),
      true,
    )
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
      this.#settle(pending, pending.wasSent ? unknownFate(pending, 'the client was closed') : closedError())
    }
  }

  #queue(writes: readonly Prepared[], inOrder = false): Promise<WriteResult>[] {
    if (this.#isClosed) throw closedError()
    const chars = writes.reduce((sum, write) => sum + write.text.length, 0)
    if (this.#pending.size + writes.length > MAX_PENDING || this.#pendingChars + chars > MAX_PENDING_CHARS) {
      throw new LiveKVError(
        'OVERLOADED',
        `${this.#pending.size} writes wait for the server already: a client holds at most ${MAX_PENDING} of them, or 64 MiB. This one was not taken; wait for earlier ones.`,
      )
    }
    const [issuedMs, issuedAt] = [performance.now(), Date.now()]
    const queued: Pending[] = []
    const promises = writes.map(
      (write) =>
        new Promise<WriteResult>((resolve, reject) => {
          const pending: Pending = {
            ...write,
            issuedMs,
            issuedAt,
            resolve,
            reject,
            wasSent: false,
            isDone: false,
          }
          this.#pending.add(pending)
          this.#pendingChars += pending.text.length
          queued.push(pending)
        }),
    )
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
      if (this.#isUp && this.#pause === undefined && !this.#isClosed) {
        for (const batch of this.#batcher.take()) void this.#sendBatch(batch)
      }
    })
  }

  async #sendBatch(batch: readonly Pending[]): Promise<void> {
    let chars = 0
    for (const pending of batch) {
      pending.wasSent = true
      chars += pending.text.length
    }
    let answer: BatchAnswer | ErrorBody | LinkLost
    try {
      answer = await this.#send(
        batch.map(({ text }) => text),
        chars,
      )
    } catch (error) {
      if (!(error instanceof LinkLost)) throw error
      answer = error
    }
    const again =
      answer instanceof LinkLost
        ? [...batch]
        : isErrorBody(answer)
          ? this.#refused(batch, LiveKVError.of(answer))
          : this.#answered(batch, answer.results)
    this.#batcher.free(
      batch,
      again.filter(({ isDone }) => !isDone),
    )
    this.#flushSoon()
  }

  /** The request as a whole. */
  #refused(batch: readonly Pending[], error: LiveKVError): Pending[] {
    if (error.retryable) this.#pauseFor(error)
    else if (batch.length === 1) this.#settle(batch[0]!, error)
    else if (error.code === 'BATCH_TOO_LARGE') this.#batcher.shrinkTo(batch.length >> 1)
    // One of them may have spoilt it for the others.
    else for (const pending of batch) pending.isAlone = true
    return [...batch]
  }

  #answered(batch: readonly Pending[], results: readonly WriteAnswer[]): Pending[] {
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

  #pauseFor({ details }: LiveKVError): void {
    if (this.#pause !== undefined) return
    const limitMs = Math.min(PAUSE_MAX_MS, PAUSE_MIN_MS * 2 ** this.#pauses)
    const { retryAfterSeconds } = details
    const askedMs = typeof retryAfterSeconds === 'number' ? retryAfterSeconds * 1_000 : 0
    this.#pauses++
    this.#pause = setTimeout(
      () => this.#resume(),
      Math.max(Math.min(askedMs, PAUSE_MAX_MS), limitMs * (0.5 + Math.random() / 2)),
    )
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
      this.#settle(pending, expired(pending))
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
  const { status: _status, ...rest } = body
  return LiveKVError.of({ ...rest, key } as ErrorBody)
}

function expired(pending: Pending): LiveKVError {
  const waited = `no acknowledgement within ${RETRY_FOR_MS / 60_000} minutes`
  if (pending.wasSent) return unknownFate(pending, waited)
  const { op, key } = pending
  return new LiveKVError(
    'UNREACHABLE',
    `The ${op} of ${JSON.stringify(key)} was not applied: no connection within ${RETRY_FOR_MS / 60_000} minutes. Write it again when the server is reached.`,
    { key },
  )
}

function unknownFate({ op, key, idempotencyKey }: Pending, why: string): LiveKVError {
  return new LiveKVError(
    'COMMIT_UNKNOWN',
    `The fate of the ${op} of ${JSON.stringify(key)} is unknown (${why}): it may have been applied or not. Read the key, or write again with this idempotency key soon.`,
    { key, idempotencyKey },
  )
}

/** What happens to the caller's objects later does not matter. */
function prepared(request: Write, json: JsonCodec): Prepared {
  const { op, key } = request
  if (typeof key !== 'string' || key === '') {
    throw new LiveKVError('INVALID_KEY', `The key ${JSON.stringify(key)} must be a string that is not empty.`)
  }
  if (op === 'put' && isNoJson(request.value)) {
    throw new LiveKVError(
      'INVALID_VALUE',
      `The value of ${JSON.stringify(key)} is ${String(request.value)}, which JSON does not have. Use null, or delete the key.`,
    )
  }
  const idempotencyKey = request.idempotencyKey ?? newId()
  return { op, key, idempotencyKey, text: json.stringify({ ...request, idempotencyKey }) }
}

function isNoJson(value: unknown): boolean {
  return value === undefined || typeof value === 'function' || typeof value === 'symbol'
}

/** 128 random bits. Not `randomUUID`, which browsers keep from pages that came over plain HTTP. */
function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join('-')
}
