/** Many entries: by prefix, page by page, or by their keys. */
import { LiveKVError } from '@livekv/protocol'
import type { Express, Request, Response } from 'express'
import { entryText, sendJson } from './answer.ts'
import { readJsonObject } from './body.ts'
import type { HttpContext } from './context.ts'
import { decodeCursor, encodeCursor } from './cursor.ts'
import { checkFields } from './fields.ts'
import { checkKey } from './key.ts'
import { Query } from './query.ts'
import { route } from './route.ts'
import { shown } from './shown.ts'

const MAX_ENTRIES = 1_000
const DEFAULT_ENTRIES = 100

type Handler = (request: Request, response: Response) => unknown
type OneEntry = Record<'get' | 'put' | 'patch' | 'delete', Handler>

/** `one` answers where the address has a `key` in its query. */
export function addEntryListRoutes(app: Express, context: HttpContext, one: OneEntry): void {
  const { config, store, limits } = context

  const list = async (request: Request, response: Response) => {
    const query = new Query(request, ['prefix', 'limit', 'cursor', 'atLeast'])
    const prefix = query.text('prefix') ?? ''
    if (prefix !== '') checkKey(prefix, config.maxKeyBytes)
    const limit = query.integer('limit', 1, MAX_ENTRIES) ?? DEFAULT_ENTRIES
    const atLeast = query.integer('atLeast', 0, Number.MAX_SAFE_INTEGER) ?? 0
    const scope = ['entries', store.info.storeId, prefix]
    const after = decodeCursor(scope, query.text('cursor'), (state) => typeof state === 'string')
    const page = await store.list({ prefix, limit, ...(after !== undefined && { after }) })
    if (page.head < atLeast) {
      throw new LiveKVError(
        'REVISION_NOT_REACHED',
        `The store is at revision ${page.head}, below atLeast=${atLeast}: is this the store that was written to?`,
        { revision: page.head },
      )
    }
    const last = page.entries.at(-1)
    const next = page.more && last ? `,"next":"${encodeCursor(scope, last.key)}"` : ''
    sendJson(
      response,
      200,
      `{"entries":[${page.entries.map(entryText).join(',')}],"revision":${page.head}${next}}`,
    )
  }

  route(
    app,
    '/api/v1/entries',
    {
      ...one,
      get: (request, response) =>
        /[?&]key=/.test(request.url) ? one.get(request, response) : list(request, response),
    },
    limits,
  )
}

/** POST /api/v1/entries/get. Every other method there is about the key `get`, so the routes by key must come after. */
export function addGetManyRoute(app: Express, { config, keyValue, limits }: HttpContext): void {
  app.post('/api/v1/entries/get', async (request, response) => {
    limits.read(request, response)
    const { object } = await readJsonObject(request, config.maxBodyBytes)
    checkFields('this request', object, ['keys', 'atLeast'])
    const { keys, atLeast } = object
    if (!Array.isArray(keys)) {
      throw new LiveKVError('INVALID_REQUEST', `keys ${shown(keys)} must be an array of keys.`)
    }
    if (keys.length > MAX_ENTRIES) {
      throw new LiveKVError(
        'BATCH_TOO_LARGE',
        `${keys.length} keys in one request: at most ${MAX_ENTRIES} are allowed. Split it.`,
      )
    }
    if (atLeast !== undefined && !(Number.isSafeInteger(atLeast) && (atLeast as number) >= 0)) {
      throw new LiveKVError('INVALID_REQUEST', `atLeast ${shown(atLeast)} must be a revision.`)
    }
    const asked = [...new Set(keys.map((key) => checkKey(key, config.maxKeyBytes)))]
    const found = await keyValue.getMany(asked, atLeast as number | undefined)
    const entries: string[] = []
    const missing: string[] = []
    for (const key of asked) {
      const entry = found.get(key)?.entry
      if (entry) entries.push(entryText(entry))
      else missing.push(key)
    }
    sendJson(response, 200, `{"entries":[${entries.join(',')}],"missing":${JSON.stringify(missing)}}`)
  })
}
