/** Where the rows of an export come from: the log from its oldest change up to its head at the start, page by page. */
import type { Api } from './api.ts'
import type { Context } from './context.ts'
import { EXIT, Failure, shown } from './failure.ts'
import { type Page, pages } from './pages.ts'
import { rawFields, rawItems } from './raw-json.ts'

const PAGE_LIMIT = 1000

export interface ExportPage {
  /** The raw fields of changes, ascending by revision. */
  changes: Map<string, string>[]
  /** The last revision that belongs to the export. */
  head: number
}

type Changes = Map<string, string>[]

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
  let { page, since } = await logStart(api, prefix)
  const head = page.head
  if (since > 0) {
    process.stderr.write(
      `The log up to revision ${since} is gone; of that time the present values are exported.\n`,
    )
    for await (const { items } of pages(api, '/api/v1/entries', { prefix, limit: PAGE_LIMIT }, 'entries'))
      yield { head, changes: items.map(asChange).filter((change) => revisionOf(change) <= since) }
  }
  for (;;) {
    yield { head, changes: page.changes.filter((change) => revisionOf(change) <= head) }
    if (page.next >= head) return
    page = await logPage(api, page.next, prefix)
  }
}

interface LogPage {
  changes: Changes
  head: number
  /** The revision up to which the page tells everything. */
  next: number
}

async function logPage(api: Api, since: number, prefix: string | undefined): Promise<LogPage> {
  const query = { since, prefix, limit: PAGE_LIMIT }
  const answer = await api.request({ method: 'GET', path: '/api/v1/changes', query })
  const fields = rawFields(answer)
  return {
    changes: rawItems(fields.get('changes')!).map(rawFields),
    head: Number(fields.get('head')),
    next: Number(fields.get('next')),
  }
}

/** The oldest page that the log still has, and the revision up to which it is gone (0: it is whole). */
async function logStart(api: Api, prefix: string | undefined): Promise<{ page: LogPage; since: number }> {
  for (let since = 0; ; ) {
    try {
      return { page: await logPage(api, since, prefix), since }
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
    const last = changes.at(-1)
    if (last !== undefined && revisionOf(last) >= head) return
  }
}

function asChange(entry: string): Map<string, string> {
  const fields = rawFields(entry)
  return fields.set('op', '"put"').set('at', fields.get('updatedAt')!)
}

export function revisionOf(fields: Map<string, string>): number {
  return Number(fields.get('revision'))
}
