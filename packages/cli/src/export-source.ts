/** Where the rows of an export come from: the log from its oldest change up to its head at the start, page by page. */
import type { Api } from './api.ts'
import type { Context } from './context.ts'
import { EXIT, Failure, shown } from './failure.ts'
import { type Page, pages } from './pages.ts'
import { rawFields } from './raw-json.ts'

const PAGE_LIMIT = 1000

export interface ExportPage {
  /** The raw fields of changes, ascending by revision. */
  changes: Map<string, string>[]
  /** The last revision that belongs to the export. */
  head: number
}

/** Of one key. Fails with exit code 3 if nothing is known of it. */
export async function* keyChanges({ api }: Context, key: string): AsyncGenerator<ExportPage> {
  const query = { key, by: 'revision' }
  const newest = await pages(api, '/api/v1/history', { ...query, order: 'desc', limit: 1 }, 'changes').next()
  const last = newest.done ? undefined : newest.value.items[0]
  if (last === undefined) {
    // Nothing in the log: never written, or so long ago that only the entry is kept.
    const entry = await api
      .request({ method: 'GET', path: '/api/v1/entries', query: { key } })
      .catch((error: unknown) => {
        if (!(error instanceof Failure) || error.code !== 'KEY_NOT_FOUND') throw error
        throw new Failure(
          EXIT.notFound,
          error.code,
          `The key ${shown(key)} has no history. "livekv list" shows the keys.`,
        )
      })
    const change = asChange(entry)
    yield { changes: [change], head: revisionOf(change) }
    return
  }
  const head = revisionOf(rawFields(last))
  yield* upTo(head, pages(api, '/api/v1/history', { ...query, order: 'asc', limit: PAGE_LIMIT }, 'changes'))
}

/** Of the whole store. Where the log no longer begins with its first change, the entries from before come first. */
export async function* allChanges({ api }: Context, prefix?: string): AsyncGenerator<ExportPage> {
  const { since, first, rest } = await logStart(api, prefix)
  const head = Number(first.fields.get('head'))
  if (since > 0) {
    process.stderr.write(
      `The log up to revision ${since} is gone; of that time the present values are exported.\n`,
    )
    for await (const { items } of pages(api, '/api/v1/entries', { prefix, limit: PAGE_LIMIT }, 'entries'))
      yield { head, changes: items.map(asChange).filter((change) => revisionOf(change) <= since) }
  }
  async function* log(): AsyncGenerator<Page> {
    yield first
    yield* rest
  }
  yield* upTo(head, log())
}

/** The log from its oldest change on, and the revision up to which it is gone (0: it is whole). */
async function logStart(
  api: Api,
  prefix: string | undefined,
): Promise<{ since: number; first: Page; rest: AsyncGenerator<Page> }> {
  for (let since = 0; ; ) {
    const log = pages(api, '/api/v1/changes', { since, prefix, limit: PAGE_LIMIT }, 'changes')
    try {
      const first = await log.next()
      return { since, first: first.value as Page, rest: log }
    } catch (error) {
      if (!(error instanceof Failure) || error.code !== 'REVISION_COMPACTED') throw error
      const through = Number(error.details.compactedThrough)
      if (!(through > since)) throw error
      since = through
    }
  }
}

async function* upTo(head: number, all: AsyncIterable<Page>): AsyncGenerator<ExportPage> {
  for await (const page of all) {
    const changes = page.items.map(rawFields)
    yield { head, changes: changes.filter((change) => revisionOf(change) <= head) }
    // Pages of a prefix say how far they looked: their last change may be far below.
    const through = Number(page.fields.get('through') ?? changes.at(-1)?.get('revision') ?? 0)
    if (through >= head) return
  }
}

function asChange(entry: string): Map<string, string> {
  const fields = rawFields(entry)
  return fields.set('op', '"put"').set('at', fields.get('updatedAt')!)
}

export function revisionOf(fields: Map<string, string>): number {
  return Number(fields.get('revision'))
}
