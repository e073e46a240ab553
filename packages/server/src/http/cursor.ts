import { LiveKVError } from '@livekv/protocol'

/**
 * Where a list goes on: opaque to clients. It carries the query it belongs to (`scope`), so that a cursor used with
 * another query, or on another store, is refused and not misread.
 */
export function encodeCursor(scope: readonly unknown[], state: unknown): string {
  return Buffer.from(JSON.stringify([scope, state])).toString('base64url')
}

/** `check` says whether the state has the form this query makes. */
export function decodeCursor<T>(
  scope: readonly unknown[],
  cursor: string | undefined,
  check: (state: unknown) => state is T,
): T | undefined {
  if (cursor === undefined) return undefined
  try {
    const decoded: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    if (Array.isArray(decoded) && JSON.stringify(decoded[0]) === JSON.stringify(scope) && check(decoded[1])) {
      return decoded[1]
    }
  } catch {
    // Falls through to the one answer for every unfit cursor.
  }
  throw new LiveKVError(
    'INVALID_CURSOR',
    'The cursor does not belong to this query on this store: start again without one.',
  )
}
