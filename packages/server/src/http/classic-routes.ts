/** The classic API (docs/protocol.md). The answers' fields are fixed; `revision` and `truncated` are additions. */
import { LiveKVError } from '@livekv/protocol'
import type { Express, Response } from 'express'
import type { Found } from '../key-value.ts'
import { isoTime, sendJson } from './answer.ts'
import { readJsonObject } from './body.ts'
import type { HttpContext } from './context.ts'
import { checkKey } from './key.ts'
import { Query } from './query.ts'
import { memberText } from './raw-json.ts'
import { route } from './route.ts'
import { checkedValue, resultOrThrow } from './writes.ts'

export function addClassicRoutes(app: Express, context: HttpContext): void {
  const { config, keyValue, limits } = context

  route(
    app,
    '/add',
    {
      async post(request, response) {
        const { text, start, object } = await readJsonObject(request, config.maxBodyBytes)
        for (const name of ['key', 'value']) {
          if (!Object.hasOwn(object, name)) {
            throw new LiveKVError(
              'INVALID_REQUEST',
              `The field ${name} is missing: send {"key": "gold", "value": 2650.1}.`,
            )
          }
        }
        const key = checkKey(object.key, config.maxKeyBytes)
        const json = checkedValue(memberText(text, start, 'value')!, config.maxValueBytes)
        const write = { op: 'put', key, json } as const
        const [result] = await keyValue.write([write])
        const { revision } = resultOrThrow(write, result!)
        sendJson(
          response,
          200,
          `{"success":true,"message":"Value stored successfully","revision":${revision}}`,
        )
      },
    },
    limits,
  )

  const answer = (response: Response, { entry, source }: Found) => {
    if (entry === null) {
      sendJson(response, 404, '{"error":"Key not found","code":"KEY_NOT_FOUND"}')
    } else {
      sendJson(
        response,
        200,
        `{"value":${entry.json},"updatedAt":"${isoTime(entry.at)}","source":"${source}","revision":${entry.revision}}`,
      )
    }
  }
  const get = (response: Response, key: string) => {
    const found = keyValue.get(checkKey(key, config.maxKeyBytes))
    if (found instanceof Promise) return found.then((later) => answer(response, later))
    return answer(response, found)
  }
  route(
    app,
    '/get/:key',
    {
      get: (request, response) => get(response, request.params.key as string),
    },
    limits,
  )
  // URL parsers rewrite `/get/..`; nothing rewrites a query.
  route(
    app,
    '/get',
    {
      get: (request, response) => get(response, new Query(request, ['key']).required('key')),
    },
    limits,
  )

  // The list stays the same array until it changes; as text it can be megabytes.
  let listed: { keys: string[]; text: string } | undefined
  route(
    app,
    '/keys',
    {
      async get(_request, response) {
        const { keys, truncated } = await keyValue.keys()
        if (listed?.keys !== keys) listed = { keys, text: JSON.stringify(keys) }
        sendJson(
          response,
          200,
          `{"success":true,"data":${listed.text}${truncated ? ',"truncated":true' : ''}}`,
        )
      },
    },
    limits,
  )
}
