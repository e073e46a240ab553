import { afterAll, beforeAll, describe } from 'vitest'
import type { Store } from '../../src/store/store.ts'
import { candleCases } from './store-candles.ts'
import type { StoreCase } from './store-case.ts'
import { commitCases } from './store-commit.ts'
import { concurrentCases } from './store-concurrent.ts'
import { historyCases } from './store-history.ts'
import { idempotencyCases } from './store-idempotency.ts'
import { propertyCases } from './store-property.ts'
import { readCases } from './store-reads.ts'
import { refusedCases } from './store-refused.ts'

export interface OpenedStore {
  store: Store
  /**
   * One more Store on the same data. Where only one may be open at a time it closes the one before: only the
   * newest is in use after the call.
   */
  another(): Promise<Store>
  /** Closes everything that was opened and removes the data. */
  close(): Promise<void>
}

/**
 * What every Store must do, as cases registered for one implementation.
 *
 * All cases share one database (opening one is dear), so each uses keys of its own and revisions relative to the
 * head it found. `concurrent`: several stores may be open on the data at once.
 */
export function storeContract(
  name: string,
  subject: { open(): Promise<OpenedStore>; concurrent: boolean },
): void {
  describe(`store contract: ${name}`, () => {
    let opened: OpenedStore
    let current: Store
    let keys = 0
    const use: StoreCase = {
      get store() {
        return current
      },
      async another() {
        const next = await opened.another()
        if (!subject.concurrent) current = next
        return next
      },
      key: (label = 'k') => `t${++keys}/${label}`,
    }

    beforeAll(async () => {
      opened = await subject.open()
      current = opened.store
    }, 60_000)
    afterAll(async () => {
      await opened?.close()
    }, 60_000)

    commitCases(use)
    refusedCases(use)
    idempotencyCases(use)
    readCases(use)
    historyCases(use)
    candleCases(use)
    propertyCases(use)
    if (subject.concurrent) concurrentCases(use)
  })
}
