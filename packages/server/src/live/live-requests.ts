/** The events of the live protocol as they are asked for: fields checked, everything else refused with the remedy. */
import { LiveKVError, SELECTION_MAX_KEYS } from '@livekv/protocol'
import { checkFields } from '../http/fields.ts'
import { shown } from '../http/shown.ts'
import { KeySelection, PrefixSelection, type Selection } from './selection.ts'

type Fields = Readonly<Record<string, unknown>>

const MAX_ID_LENGTH = 100
const MAX_CURSOR_LENGTH = 200

export interface WatchAsked {
  id: string
  selection: Selection
  since: string | undefined
}

export function parseWatch(request: Fields, parseKey: (key: unknown) => string): WatchAsked {
  checkFields('watch', request, ['watch', 'keys', 'prefix', 'since'])
  const { keys, prefix, since } = request
  if ((keys === undefined) === (prefix === undefined)) {
    throw new LiveKVError(
      'INVALID_REQUEST',
      'Give either keys (an array of keys) or prefix ("" selects everything).',
    )
  }
  if (since !== undefined && (typeof since !== 'string' || since.length > MAX_CURSOR_LENGTH)) {
    throw new LiveKVError(
      'INVALID_REQUEST',
      `since ${shown(since)} must be the cursor of an earlier watch of this selection: leave it out to begin with a snapshot.`,
    )
  }
  const selection = keys === undefined ? prefixOf(prefix, parseKey) : keysOf(keys, parseKey)
  return { id: parseId(request), selection, since }
}

export function parseUnwatch(request: Fields): string {
  checkFields('unwatch', request, ['watch'])
  return parseId(request)
}

function parseId({ watch }: Fields): string {
  if (typeof watch === 'string' && watch !== '' && watch.length <= MAX_ID_LENGTH && watch.isWellFormed())
    return watch
  throw new LiveKVError(
    'INVALID_REQUEST',
    `watch ${shown(watch)} must be a name for the watch that you choose: a string of 1 to ${MAX_ID_LENGTH} characters.`,
  )
}

function keysOf(keys: unknown, parseKey: (key: unknown) => string): KeySelection {
  if (!Array.isArray(keys) || keys.length === 0) {
    throw new LiveKVError('INVALID_REQUEST', `keys ${shown(keys)} must be an array of one key or more.`)
  }
  if (keys.length > SELECTION_MAX_KEYS) {
    throw new LiveKVError(
      'SELECTION_TOO_LARGE',
      `${keys.length} keys in one watch: at most ${SELECTION_MAX_KEYS} are allowed. Watch a prefix, or fewer keys.`,
      { limit: SELECTION_MAX_KEYS },
    )
  }
  return new KeySelection(keys.map(parseKey))
}

/** What no key can begin with is refused, as over HTTP: some of it no store could even be asked for. */
function prefixOf(prefix: unknown, parseKey: (key: unknown) => string): PrefixSelection {
  if (typeof prefix !== 'string') {
    throw new LiveKVError(
      'INVALID_REQUEST',
      `prefix ${shown(prefix)} must be a string that keys begin with ("" selects everything).`,
    )
  }
  return new PrefixSelection(prefix === '' ? '' : parseKey(prefix))
}
