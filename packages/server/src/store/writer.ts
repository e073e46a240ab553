import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { LiveKVError } from '@livekv/protocol'
import type { Logger } from 'pino'
import { errorText } from '../error-text.ts'
import { type Batch, encodeBatch } from './batch.ts'
import { type Database, NotSentError, sqlStateOf } from './database.ts'
import type { CommitResult, Write } from './store.ts'

/**
 * The one writer of this process: sends batches one at a time and finds out what became of each.
 *
 *   send -> answer                                  results
 *        -> definite refusal of an item's content   halves are sent again, down to the item
 *        -> definite refusal of the whole           STORE_FAILED
 *        -> anything else (silence, a broken line, a server going down, a cancelled statement)
 *             -> fence -> it landed: its stored answer | it did not and never will: send again
 *                      -> no fence by the deadline: COMMIT_UNKNOWN
 *
 * Rule: fence-first. After a lost answer nothing is sent before the fence has answered.
 * Rule: row-per-start. A new instance id each time.
 * Rule: number-above-last. Batch numbers only rise, also when the same writes are sent again.
 * Rule: unknown-at-deadline. What is not settled by then is COMMIT_UNKNOWN, never a guess.
 *
 * test/model/ has the rules and shows for each what goes wrong without it.
 */
export class Writer {
  readonly #database: Database
  readonly #log: Logger
  readonly #deadlineMs: number
  /** Makes room for more revisions; called when the procedure found no partition for them. */
  readonly #extendLog: () => Promise<void>
  #instance = ''
  #epoch = 1
  #batch = 0
  #fenceFirst = false
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: {
    database: Database
    log: Logger
    deadlineMs: number
    extendLog: () => Promise<void>
  }) {
    this.#database = options.database
    this.#log = options.log
    this.#deadlineMs = options.deadlineMs
    this.#extendLog = options.extendLog
  }

  async register(): Promise<void> {
    const instance = randomUUID()
    await this.#database.run('commit', REGISTER, [instance])
    this.#instance = instance
    this.#epoch = 1
    this.#batch = 0
    this.#fenceFirst = false
  }

  /** Keeps the row of a process that writes nothing for days from being taken for a dead one's. */
  async stayKnown(): Promise<void> {
    await this.#database.sequelize.query(
      `update writers set seen_at = clock_timestamp()
        where instance = $1 and seen_at < clock_timestamp() - interval '1 day'`,
      { bind: [this.#instance] },
    )
  }

  commit(writes: readonly Write[]): Promise<CommitResult[]> {
    if (writes.length === 0) return Promise.resolve([])
    const result = this.#turn.then(() => this.#settle(writes, performance.now() + this.#deadlineMs))
    this.#turn = result.catch(() => {})
    return result
  }

  /** Resolves when no batch is under way. */
  async idle(): Promise<void> {
    await this.#turn
  }

  async #settle(writes: readonly Write[], deadline: number): Promise<CommitResult[]> {
    const batch = encodeBatch(writes)
    if (batch.decided) return batch.decided
    if (batch.cutAt !== undefined) {
      return this.#settleBoth(writes.slice(0, batch.cutAt), writes.slice(batch.cutAt), deadline)
    }
    try {
      return batch.decode(await this.#send(batch, deadline))
    } catch (error) {
      const state = sqlStateOf(error)
      if (state === undefined || !isOfAnItem(state)) throw this.#refusal(error)
      const [first, second] = halves(writes)
      if (second === undefined) return writes.map((write) => refusedItem(write, error as Error))
      return this.#settleBoth(first, second, deadline)
    }
  }

  /** Two commits for what was asked as one: an error of the second must not deny what the first has applied. */
  async #settleBoth(
    first: readonly Write[],
    second: readonly Write[],
    deadline: number,
  ): Promise<CommitResult[]> {
    const results = await this.#settle(first, deadline)
    try {
      return [...results, ...(await this.#settle(second, deadline))]
    } catch (error) {
      throw results.some(({ status }) => status === 'applied') ? partlyApplied(error) : error
    }
  }

  /** The procedure's answer. Rejects with COMMIT_UNKNOWN, STORE_FAILED, or a definite error of the server. */
  async #send(batch: Batch, deadline: number): Promise<string> {
    for (let pauseMs = 25; ; pauseMs = Math.min(pauseMs * 2, 1_000)) {
      if (this.#fenceFirst && (await this.#fence(deadline)) === undefined) throw notApplied()
      const number = ++this.#batch
      try {
        const values = [this.#instance, this.#epoch, number, ...batch.values]
        const [row] = await this.#database.run<{ p_result: string }>('commit', COMMIT, values, left(deadline))
        return (row as { p_result: string }).p_result
      } catch (error) {
        if (error instanceof NotSentError) {
          if (performance.now() + pauseMs > deadline || error.cause instanceof LiveKVError)
            throw notApplied(error)
          await this.#pause(pauseMs)
          continue
        }
        if (error instanceof LiveKVError) throw error.code === 'STORE_FAILED' ? failedMeanwhile(error) : error
        const state = sqlStateOf(error)
        if (state === NO_PARTITION) {
          await this.#extendLog()
          if (performance.now() > deadline) throw notApplied(error)
          continue
        }
        if (state !== undefined && isDefinite(state)) throw error
        this.#fenceFirst = true
        this.#log.warn(
          { err: error, batch: number },
          'the answer to a commit was lost; asking what became of it',
        )
        const outcome = await this.#fence(deadline)
        if (outcome === undefined) throw unknown(error)
        if (outcome.batch === number) return outcome.result
        this.#log.info({ batch: number }, 'the commit had not landed and cannot any more; sending it again')
        if (performance.now() > deadline) throw notApplied(error)
      }
    }
  }

  /** What the writer's row says, once no batch sent before can land any more; undefined: not reached in time. */
  async #fence(deadline: number): Promise<{ batch: number; result: string } | undefined> {
    for (let waitMs = 25; ; waitMs = Math.min(waitMs * 2, 1_000)) {
      try {
        const [row] = await this.#database.run<FenceRow>('commit', FENCE, [this.#instance], left(deadline))
        if (row?.p_epoch == null) return await this.#rowIsGone()
        this.#epoch = Number(row.p_epoch)
        this.#fenceFirst = false
        return { batch: Number(row.p_batch), result: row.p_result ?? '' }
      } catch (error) {
        const engineFailed = error instanceof LiveKVError || (error as Error).cause instanceof LiveKVError
        if (engineFailed || performance.now() + waitMs > deadline) return undefined
        await this.#pause(waitMs)
      }
    }
  }

  /** Nothing of this writer can land without its row; what had landed before cannot be told. */
  async #rowIsGone(): Promise<undefined> {
    this.#log.error({ instance: this.#instance }, 'the row of this writer is gone from the database')
    await this.register().catch(() => {})
    return undefined
  }

  async #pause(ms: number): Promise<void> {
    const signal = this.#database.givenUp
    await sleep(ms * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => {})
  }

  #refusal(error: unknown): LiveKVError {
    if (error instanceof LiveKVError) return error
    this.#log.error({ err: error }, 'the database refused a commit')
    const state = sqlStateOf(error)
    return new LiveKVError(
      'STORE_FAILED',
      `The database refused the commit${state === undefined ? '' : ` (SQLSTATE ${state})`}, so nothing was applied. The log of the server says why.`,
      { outcome: 'not-applied', retryAfterSeconds: 1 },
      error,
    )
  }
}

interface FenceRow {
  p_epoch: string | null
  p_batch: string | null
  p_result: string | null
}

const REGISTER = {
  name: 'livekv-register',
  text: 'insert into writers (instance, epoch, last_batch) values ($1, 1, 0)',
}
const COMMIT = {
  name: 'livekv-commit',
  text: 'call livekv_commit($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, null)',
}
const FENCE = { name: 'livekv-fence', text: 'call livekv_fence($1, null, null, null)' }

const NO_PARTITION = '23514'

/** Content PostgreSQL will not take: data exceptions, nesting beyond its stack, a row beyond its limits. */
function isOfAnItem(state: string): boolean {
  return state.startsWith('22') || state.startsWith('54')
}

/**
 * The server said no before the commit, so nothing was applied. Everything else goes to the fence, also a state that
 * most often means an abort: the procedure goes on for a moment after its commit, and may be cancelled there.
 */
function isDefinite(state: string): boolean {
  return (
    isOfAnItem(state) ||
    state === NO_PARTITION ||
    state === '53100' ||
    state === '25006' ||
    state.startsWith('42')
  )
}

/** Two halves, atomic groups whole; one, if there is nothing to divide. */
function halves(writes: readonly Write[]): [readonly Write[], (readonly Write[])?] {
  const middle = writes.length >> 1
  for (let distance = 0; distance <= middle; distance++) {
    for (const cut of [middle - distance, middle + distance]) {
      if (cut <= 0 || cut >= writes.length) continue
      const group = writes[cut]?.atomicGroup
      if (group === undefined || writes[cut - 1]?.atomicGroup !== group)
        return [writes.slice(0, cut), writes.slice(cut)]
    }
  }
  return [writes]
}

function refusedItem(write: Write, error: Error): CommitResult {
  const group = write.atomicGroup === undefined ? '' : ' (or another item of its atomic batch)'
  return {
    status: 'failed',
    code: 'INVALID_VALUE',
    message: `PostgreSQL refuses the key or value at ${JSON.stringify(write.key.slice(0, 80))}${group}: ${errorText(error)}`,
  }
}

function left(deadline: number): number {
  return Math.max(50, Math.min(8_000, deadline - performance.now()))
}

function unknown(cause: unknown): LiveKVError {
  return new LiveKVError(
    'COMMIT_UNKNOWN',
    'The database did not say in time whether the write was committed. Retry with the same idempotency key; without one, read first.',
    { retryAfterSeconds: 1 },
    cause,
  )
}

function partlyApplied(cause: unknown): LiveKVError {
  return new LiveKVError(
    'COMMIT_UNKNOWN',
    'Some writes of this commit were applied before the database failed. Retry with the same idempotency key; without one, read first.',
    { retryAfterSeconds: 1 },
    cause,
  )
}

function notApplied(cause?: unknown): LiveKVError {
  return new LiveKVError(
    'STORE_FAILED',
    'The database could not be reached in time; the write was not applied. Try again in a moment.',
    { outcome: 'not-applied', retryAfterSeconds: 1 },
    cause,
  )
}

function failedMeanwhile(cause: LiveKVError): LiveKVError {
  return new LiveKVError(
    'STORE_FAILED',
    'The store failed while this write was under way; whether it was applied shows when the server is up again. Retry with the same idempotency key; without one, read first.',
    { outcome: 'unknown', retryAfterSeconds: 1 },
    cause,
  )
}
