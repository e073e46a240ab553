/** Who watches, here and on all instances. */
import type { Express } from 'express'
import { sendJson } from './answer.ts'
import type { HttpContext } from './context.ts'
import { checkKey } from './key.ts'
import { Query } from './query.ts'
import { route } from './route.ts'

export function addPresenceRoute(app: Express, { config, presence, limits }: HttpContext): void {
  route(
    app,
    '/api/v1/presence',
    {
      async get(request, response) {
        const key = new Query(request, ['key']).text('key')
        if (key !== undefined) checkKey(key, config.maxKeyBytes)
        const report = await presence(key)
        sendJson(response, 200, JSON.stringify({ ...(key !== undefined && { key }), ...report }))
      },
    },
    limits,
  )
}
