import { setTimeout as sleep } from 'node:timers/promises'
import { ERRORS, type ErrorCode } from '@livekv/protocol'
import type { Context } from './context.ts'
import { Failure, serverFailure } from './failure.ts'
import type { ImportWrite } from './import-row.ts'
import { rawFields, rawItems } from './raw-json.ts'

const MAX_ITEMS = 1_000
const MAX_BODY_CHARS = 1024 * 1024
/** Tries of a batch of which the server took a part only. */
const MAX_TRIES = 8

export interface Written {
  applied: number
  /** Had been applied by an earlier run, and were not again. */
  repeated: number
  /** Deletes of keys that had no value. */
  unchanged: number
  refused: number
}

/** Where in the file a write comes from: the line for people, the row counted for the progress. */
export interface Place {
  line: number
  row: number
}

export interface BatchEvents {
  /** May throw to stop; the other writes of that batch are written all the same. */
  refused(line: number, failure: Failure): void
  /** All writes up to this row have their answer. */
  answered(row: number): void
}

interface Pending extends Place {
  json: string
}

/**
 * Sends writes in their order, batch by batch, the next one only when the last was answered, so that the order of
 * the file is the order of the log. Every write carries an idempotency key: a batch is sent again whenever its fate
 * is not certain.
 */
export class BatchWriter {
  readonly written: Written = { applied: 0, repeated: 0, unchanged: 0, refused: 0 }
  private readonly context: Context
  private readonly events: BatchEvents
  private pending: Pending[] = []
  private pendingChars = 0

  constructor(context: Context, events: BatchEvents) {
    this.context = context
    this.events = events
  }

  async write(place: Place, write: ImportWrite, idempotencyKey: string): Promise<void> {
    const json = toItem(write, idempotencyKey)
    if (this.pending.length >= MAX_ITEMS || this.pendingChars + json.length > MAX_BODY_CHARS)
      await this.flush()
    this.pending.push({ ...place, json })
    this.pendingChars += json.length + 1
  }

  async flush(): Promise<void> {
    const batch = this.pending
    this.pending = []
    this.pendingChars = 0
    if (batch.length > 0) await this.send(batch)
  }

  private async send(batch: Pending[]): Promise<void> {
    let results: string[]
    try {
      results = await this.post(batch)
    } catch (error) {
      // A server with smaller limits than usual.
      const isTooLarge =
        error instanceof Failure && ['BATCH_TOO_LARGE', 'BODY_TOO_LARGE'].includes(error.code)
      if (!isTooLarge || batch.length === 1) throw error
      const half = batch.length >> 1
      await this.send(batch.slice(0, half))
      return this.send(batch.slice(half))
    }
    let stopped: unknown
    for (const [index, result] of results.entries()) {
      try {
        this.note(batch[index]!.line, result)
      } catch (error) {
        stopped ??= error
      }
    }
    if (stopped !== undefined) throw stopped
    this.events.answered(batch.at(-1)!.row)
  }

  private async post(batch: Pending[]): Promise<string[]> {
    for (let attempt = 1; ; attempt++) {
      const answer = await this.context.api.request({
        method: 'POST',
        path: '/api/v1/batch',
        body: `{"writes":[${batch.map((item) => item.json).join(',')}]}`,
      })
      const results = rawItems(rawFields(answer).get('results') ?? '[]')
      if (results.length !== batch.length)
        throw serverFailure(
          'INTERNAL',
          `The server answered ${results.length} results for ${batch.length} writes.`,
        )
      if (attempt === MAX_TRIES || !results.some(isRetryable)) return results
      await sleep(Math.min(5_000, 100 * 2 ** attempt), undefined, { signal: this.context.signal })
    }
  }

  private note(line: number, result: string): void {
    const fields = rawFields(result)
    const code = fields.get('code')
    if (code !== undefined) {
      this.written.refused++
      this.events.refused(line, serverFailure(JSON.parse(code), JSON.parse(fields.get('error') ?? '""')))
      return
    }
    if (fields.get('repeated') === 'true') this.written.repeated++
    else if (fields.get('applied') === 'false') this.written.unchanged++
    else this.written.applied++
  }
}

function toItem(write: ImportWrite, idempotencyKey: string): string {
  const time = write.timeMs === undefined ? '' : `,"time":"${new Date(write.timeMs).toISOString()}"`
  // Joined as text: the value goes out with the digits it came with.
  const value = write.op === 'put' ? `,"value":${write.json}` : ''
  return `{"op":"${write.op}","key":${JSON.stringify(write.key)}${value}${time},"idempotencyKey":"${idempotencyKey}"}`
}

function isRetryable(result: string): boolean {
  const code = rawFields(result).get('code')
  return code !== undefined && ERRORS[JSON.parse(code) as ErrorCode]?.retryable === true
}
