import type { Page } from '@livekv/client'

/** The pages of a listing, each asked for when the last one is used up. */
export async function* pages<P extends Page<unknown>>(
  ask: (from: { cursor?: string }) => Promise<P>,
): AsyncGenerator<P, void, void> {
  let next: string | undefined
  do {
    const page: P = await ask(next === undefined ? {} : { cursor: next })
    yield page
    next = page.next
  } while (next !== undefined)
}

export async function* itemsOf<T>(all: AsyncIterable<Page<T>>): AsyncGenerator<T, void, void> {
  for await (const { items } of all) yield* items
}

/** The first `limit` of them. */
export async function* take<T>(
  all: AsyncIterable<T>,
  limit = Number.POSITIVE_INFINITY,
): AsyncGenerator<T, void, void> {
  let left = limit
  for await (const item of all) {
    yield item
    if (--left <= 0) return
  }
}
