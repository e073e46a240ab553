import type { KeyValue } from './key-value.ts'
import type { HubLog } from './live/hub.ts'
import type { Store } from './store/store.ts'

export interface ExpiryOptions {
  store: Pick<Store, 'expired'>
  keyValue: Pick<KeyValue, 'write'>
  log: HubLog
  intervalMs?: number
  pageSize?: number
}

/**
 * Deletes what has expired, through the write path and only at the revision that was found expired: a value
 * written meanwhile stays, and of several instances that find the same key one deletes it and the others' deletes
 * do nothing.
 */
export class Expiry {
  readonly #options: Required<ExpiryOptions>
  #timer: NodeJS.Timeout | undefined
  #sweeping: Promise<void> | undefined
  #failedBefore = false
  #closed = false

  constructor(options: ExpiryOptions) {
    this.#options = { intervalMs: 300, pageSize: 500, ...options }
  }

  start(): void {
    this.#schedule()
  }

  /** Resolves when nothing is under way any more. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#sweeping
  }

  #schedule(): void {
    if (this.#closed) return
    this.#timer = setTimeout(() => {
      this.#sweeping = this.#sweep().finally(() => this.#schedule())
    }, this.#options.intervalMs)
  }

  async #sweep(): Promise<void> {
    const { store, keyValue, log, pageSize } = this.#options
    try {
      while (!this.#closed) {
        const keys = await store.expired(pageSize)
        if (keys.length > 0) {
          await keyValue.write(keys.map(({ key, revision }) => ({ op: 'delete', key, ifRevision: revision })))
        }
        if (keys.length < pageSize) break
      }
      this.#failedBefore = false
    } catch (error) {
      if (!this.#failedBefore && !this.#closed) {
        log.warn({ err: error }, 'expired entries could not be deleted; trying again')
      }
      this.#failedBefore = true
    }
  }
}
