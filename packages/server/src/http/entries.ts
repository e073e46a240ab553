/** One entry: /api/v1/entries/:key, and the same as /api/v1/entries?key=, which no URL parser rewrites. */
import { LiveKVError } from '@livekv/protocol'
import type { Express, Request, Response } from 'express'
import type { Found } from '../key-value.ts'
import type { Write } from '../store/store.ts'
import { entryText, sendJson } from './answer.ts'
import { parseObject, readJsonObject } from './body.ts'
import type { HttpContext } from './context.ts'
import { addEntryListRoutes, addGetManyRoute } from './entry-lists.ts'
import { checkKey } from './key.ts'
import { Query } from './query.ts'
import { route } from './route.ts'
import { shown } from './shown.ts'
import { checkIdempotencyKey, conflict, doneText, parseWrite, resultOrThrow } from './writes.ts'

export function addEntryRoutes(app: Express, context: HttpContext): void {
  const { config, keyValue, etags } = context
  const keyOf = (request: Request, query: Query) =>
    checkKey(request.params.key ?? query.required('key'), config.maxKeyBytes)
  const queryOf = (request: Request, ...names: string[]) =>
    new Query(request, request.params.key === undefined ? ['key', ...names] : names)

  const answer = (request: Request, response: Response, key: string, { entry, revision }: Found) => {
    if (entry === null) {
      throw new LiveKVError('KEY_NOT_FOUND', `The key ${shown(key)} has no value.`, { key, revision })
    }
    const etag = etags.of(entry.revision)
    const known = request.headers['if-none-match']
    if (known !== undefined && etags.matches(known, entry.revision)) {
      response.writeHead(304, { ETag: etag, 'Cache-Control': 'no-cache' }).end()
    } else {
      sendJson(response, 200, entryText(entry), etag)
    }
  }
  const get = (request: Request, response: Response) => {
    const query = queryOf(request, 'atLeast')
    const key = keyOf(request, query)
    const found = keyValue.get(key, query.integer('atLeast', 0, Number.MAX_SAFE_INTEGER))
    if (found instanceof Promise) return found.then((later) => answer(request, response, key, later))
    return answer(request, response, key, found)
  }

  const write = async (request: Request, response: Response, asked: Write) => {
    const complete = await withHeaders(request, asked)
    const [result] = await keyValue.write([complete])
    const { done, revision } = resultOrThrow(complete, result!)
    const exists = revision > 0 && complete.op !== 'delete'
    sendJson(response, 200, `{${doneText(complete, done)}}`, exists ? etags.of(revision) : undefined)
  }

  /** Adds If-Match, If-None-Match and Idempotency-Key to what the body or the query asked for. */
  const withHeaders = async (request: Request, asked: Write): Promise<Write> => {
    const {
      'if-match': match,
      'if-none-match': noneMatch,
      'idempotency-key': idempotencyKey,
    } = request.headers
    let complete = asked
    if (idempotencyKey !== undefined) {
      once('idempotencyKey', asked.idempotencyKey)
      complete = { ...complete, idempotencyKey: checkIdempotencyKey(idempotencyKey) }
    }
    if (match !== undefined) {
      once('If-Match', asked.ifRevision ?? noneMatch)
      const required = etags.required(match)
      // No revision can match, so only which one to report is left to find out.
      if (required === null) throw conflict(asked.key, (await keyValue.get(asked.key)).entry?.revision ?? 0)
      complete = { ...complete, ifRevision: required }
    } else if (noneMatch !== undefined) {
      once('If-None-Match', asked.ifRevision)
      if (noneMatch.trim() !== '*' || (asked.op !== 'put' && asked.op !== 'increment')) {
        throw new LiveKVError(
          'INVALID_REQUEST',
          `If-None-Match: ${shown(noneMatch)} is not taken here: a PUT or an increment takes * (only if there is no value).`,
        )
      }
      complete = { ...complete, ifRevision: 0 }
    }
    return complete
  }

  const put = async (request: Request, response: Response) => {
    const key = keyOf(request, queryOf(request))
    const body = await readJsonObject(request, config.maxBodyBytes)
    await write(request, response, parseWrite('put', key, body, config.maxValueBytes))
  }

  const patch = async (request: Request, response: Response) => {
    const key = keyOf(request, queryOf(request))
    const body = await readJsonObject(request, config.maxBodyBytes)
    const { op } = body.object
    if (op !== 'increment' && op !== 'touch') {
      throw new LiveKVError('INVALID_REQUEST', `op ${shown(op)} must be "increment" or "touch".`)
    }
    await write(request, response, parseWrite(op, key, body, config.maxValueBytes, ['op']))
  }

  const remove = async (request: Request, response: Response) => {
    const query = queryOf(request, 'ifRevision', 'idempotencyKey', 'time')
    const key = keyOf(request, query)
    if (
      Number(request.headers['content-length'] ?? 0) > 0 ||
      request.headers['transfer-encoding'] !== undefined
    ) {
      throw new LiveKVError(
        'INVALID_REQUEST',
        'DELETE takes no body: give ifRevision, idempotencyKey and time in the query.',
      )
    }
    const ifRevision = query.integer('ifRevision', 0, Number.MAX_SAFE_INTEGER)
    const idempotencyKey = query.text('idempotencyKey')
    const time = query.time('time')
    const fields = JSON.stringify({ ifRevision, idempotencyKey, time })
    await write(request, response, parseWrite('delete', key, parseObject(fields), config.maxValueBytes))
  }

  addGetManyRoute(app, context)
  route(app, '/api/v1/entries/:key', { get, put, patch, delete: remove }, context.limits)
  addEntryListRoutes(app, context, { get, put, patch, delete: remove })
}

function once(name: string, other: unknown): void {
  if (other !== undefined) {
    throw new LiveKVError('INVALID_REQUEST', `${name} is given twice, or with another condition: give one.`)
  }
}
