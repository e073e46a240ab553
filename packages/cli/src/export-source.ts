/** Where the rows of an export come from: the log from its oldest change up to its head at the start, page by page. */
import type { Change, ChangesPage, Entry, Page } from '@livekv/client'
import type { Context } from './context.ts'
import { EXIT, Failure, shown } from './failure.ts'
import { pages } from './pages.ts'
import type { Server } from './server.ts'

const PAGE_LIMIT = 1000

export interface ExportPage {
  /** Ascending by revision. */
  changes: Change[]
  /** The last revision that belongs to the export. */
  head: number
}

/** Of one key. Fails with exit code 3 if nothing is known of it. */
export async function* keyChanges({ server }: Context, key: string): AsyncGenerator<ExportPage> {
  const newest = await server.ask((client) =>
    client.history(key, { by: 'revision', order: 'desc', limit: 1 }),
  )
  const [last] = newest.items
  if (last === undefined) {
    const change = await presentValue(server, key)
    yield { changes: [change], head: change.revision }
    return
  }
  const log = pages((from) =>
    server.ask((client) => client.history(key, { by: 'revision', limit: PAGE_LIMIT, ...from })),
  )
  yield* upTo(last.revision, log)
}

/** Nothing of it is in the log: it was never written, or so long ago that only the entry is kept. */
async function presentValue(server: Server, key: string): Promise<Change> {
  const entry = await server.ask((client) => client.get(key))
  if (entry !== undefined) return asChange(entry)
  throw new Failure(
    EXIT.notFound,
    'KEY_NOT_FOUND',
    `The key ${shown(key)} has no history. "livekv list" shows the keys.`,
  )
}

/** Of the whole store. Where the log no longer begins with its first change, the entries from before come first. */
export async function* allChanges({ server }: Context, prefix?: string): AsyncGenerator<ExportPage> {
  const { since, first, rest } = await logStart(server, prefix)
  const { head } = first
  if (since > 0) {
    process.stderr.write(
      `The log up to revision ${since} is gone; of that time the present values are exported.\n`,
    )
    for await (const entry of server.list({ pageSize: PAGE_LIMIT, ...prefixed(prefix) }))
      if (entry.revision <= since) yield { head, changes: [asChange(entry)] }
  }
  async function* log(): AsyncGenerator<ChangesPage> {
    yield first
    yield* rest
  }
  yield* upTo(head, log())
}

/** The log from its oldest change on, and the revision up to which it is gone (0: it is whole). */
async function logStart(
  server: Server,
  prefix: string | undefined,
): Promise<{ since: number; first: ChangesPage; rest: AsyncIterable<ChangesPage> }> {
  for (let since = 0; ; ) {
    const query = { since, limit: PAGE_LIMIT, ...prefixed(prefix) }
    const log = pages((from) => server.ask((client) => client.changes({ ...query, ...from })))
    try {
      const first = await log.next()
      return { since, first: first.value as ChangesPage, rest: log }
    } catch (error) {
      if (!(error instanceof Failure) || error.code !== 'REVISION_COMPACTED') throw error
      const through = Number(error.details.compactedThrough)
      if (!(through > since)) throw error
      since = through
    }
  }
}

async function* upTo(
  head: number,
  all: AsyncIterable<Page<Change> | ChangesPage>,
): AsyncGenerator<ExportPage> {
  for await (const page of all) {
    yield { head, changes: page.items.filter(({ revision }) => revision <= head) }
    // Pages of a prefix say how far they looked: their last change may be far below.
    const through = 'through' in page ? page.through : (page.items.at(-1)?.revision ?? 0)
    if (through >= head) return
  }
}

function prefixed(prefix: string | undefined): { prefix?: string } {
  return prefix === undefined ? {} : { prefix }
}

function asChange({ key, value, revision, updatedAt, time }: Entry): Change {
  return { op: 'put', key, value, revision, at: updatedAt, time }
}
