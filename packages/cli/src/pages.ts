import type { Api } from './api.ts'
import { rawFields, rawItems } from './raw-json.ts'

export interface Page {
  /** Each item as the JSON text the server sent. */
  items: string[]
  fields: Map<string, string>
}

/** The pages of a listing behind a cursor, one request at a time, each asked for when the last one is used up. */
export async function* pages(
  api: Api,
  path: string,
  query: Record<string, string | number | undefined>,
  field: 'entries' | 'changes',
): AsyncGenerator<Page> {
  let cursor: string | undefined
  do {
    const answer = await api.request({ method: 'GET', path, query: { ...query, cursor } })
    const fields = rawFields(answer)
    yield { items: rawItems(fields.get(field) ?? '[]'), fields }
    const next = fields.get('next')
    cursor = next === undefined || next === 'null' ? undefined : (JSON.parse(next) as string)
  } while (cursor !== undefined)
}

/** The first `limit` items of all pages. */
export async function* items(
  all: AsyncIterable<Page>,
  limit = Number.POSITIVE_INFINITY,
): AsyncGenerator<string> {
  let left = limit
  for await (const page of all) {
    for (const item of page.items) {
      if (left-- <= 0) return
      yield item
    }
    if (left <= 0) return
  }
}
