import { LiveKVError, type Write } from '@livekv/client'
import { type Failure, failureOf } from './failure.ts'
import type { ImportWrite } from './import-row.ts'
import { asValue } from './json-text.ts'
import type { Server } from './server.ts'

/** A flight is what is under way at a time; the next one is made up meanwhile. */
const FLIGHT_ITEMS = 1_000
const FLIGHT_CHARS = 1024 * 1024

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

export interface WriterEvents {
  /** May throw to stop; the other writes of that flight are written all the same. */
  refused(line: number, failure: Failure): void
  /** All writes up to this row have their answer. */
  answered(row: number): void
}

interface Item extends Place {
  write: Write
}

/** Writes in the order in which they come, so that the order of the file is the order of the log. */
export class Writer {
  readonly written: Written = { applied: 0, repeated: 0, unchanged: 0, refused: 0 }
  readonly #server: Server
  readonly #events: WriterEvents
  #items: Item[] = []
  #chars = 0
  #flight: Promise<void> = Promise.resolve()

  constructor(server: Server, events: WriterEvents) {
    this.#server = server
    this.#events = events
  }

  async write(place: Place, write: ImportWrite, idempotencyKey: string): Promise<void> {
    this.#items.push({ ...place, write: toWrite(write, idempotencyKey) })
    this.#chars += write.key.length + (write.op === 'put' ? write.json.length : 0)
    if (this.#items.length >= FLIGHT_ITEMS || this.#chars > FLIGHT_CHARS) await this.#send()
  }

  async flush(): Promise<void> {
    if (this.#items.length > 0) await this.#send()
    await this.#flight
  }

  async #send(): Promise<void> {
    await this.#flight
    this.#flight = this.#fly(this.#items)
    // Thrown where it is waited for.
    this.#flight.catch(() => {})
    this.#items = []
    this.#chars = 0
  }

  async #fly(items: readonly Item[]): Promise<void> {
    const outcomes = await this.#server.connected((client) => client.write(items.map(({ write }) => write)))
    let stopped: unknown
    for (const [index, outcome] of outcomes.entries()) {
      try {
        if (outcome instanceof LiveKVError) this.#refused(items[index]!.line, outcome)
        else if (outcome.repeated) this.written.repeated++
        else this.written[outcome.status]++
      } catch (error) {
        stopped ??= error
      }
    }
    if (stopped !== undefined) throw stopped
    this.#events.answered(items.at(-1)!.row)
  }

  #refused(line: number, error: LiveKVError): void {
    const failure = failureOf(error)
    // Not this write was refused: the client has given up on the server.
    if (error.retryable) throw failure
    this.written.refused++
    this.#events.refused(line, failure)
  }
}

function toWrite(write: ImportWrite, idempotencyKey: string): Write {
  const { key, timeMs } = write
  const common = { key, idempotencyKey, ...(timeMs !== undefined && { time: timeMs }) }
  return write.op === 'put'
    ? { op: 'put', value: asValue(write.json), ...common }
    : { op: 'delete', ...common }
}
