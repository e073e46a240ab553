import type { Change } from '../store/store.ts'

/**
 * Where watchers get their changes from (the Hub implements it). For every key the revisions given to a listener
 * only rise; between keys there is no order. Batches of one tick come together.
 */
export interface Feed {
  listen(onChanges: (changes: readonly Change[]) => void): () => void
}
