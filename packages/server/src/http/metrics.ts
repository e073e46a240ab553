/** What Prometheus asks for. It names neither keys nor values nor addresses, and is as open as the other routes. */
import type { Express } from 'express'
import type { HttpContext } from './context.ts'
import { route } from './route.ts'

export function addMetricsRoute(app: Express, { metrics }: Pick<HttpContext, 'metrics'>): void {
  route(app, '/metrics', {
    async get(_request, response) {
      const { contentType, text } = await metrics()
      response.writeHead(200, {
        'Content-Type': contentType,
        'Cache-Control': 'no-store',
        'X-Content-Type-Options': 'nosniff',
      })
      response.end(text)
    },
  })
}
