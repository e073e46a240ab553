/** The dashboard, the viewer and the browsers' client, as `npm run build` left them in packages/web and client. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import express, { type Express, type Response } from 'express'
import helmet from 'helmet'
import { route } from './route.ts'

const DIST = join(import.meta.dirname, '../../../web/dist')
const CLIENT = join(import.meta.dirname, '../../../client/dist/livekv.js')

const NOT_BUILT = `<!doctype html><html lang="en"><meta charset="utf-8"><title>LiveKV</title>
<h1>The pages are not built yet</h1><p>Stop the server and start it with <code>npm start</code>, which builds them.
The API works meanwhile: <a href="/keys">/keys</a>, <a href="/api/v1/status">/api/v1/status</a>.</p></html>`

const CLIENT_NOT_BUILT =
  "throw new Error('livekv.js is not built yet: stop the LiveKV server and start it with npm start, which builds it.')"

const protect = helmet({
  contentSecurityPolicy: {
    directives: {
      'default-src': ["'self'"],
      // Old browsers do not count WebSockets of the same host among 'self'.
      'connect-src': ["'self'", 'ws:', 'wss:'],
      'img-src': ["'self'", 'data:'],
      'style-src': ["'self'", "'unsafe-inline'"],
      // The server itself speaks plain HTTP, at times on a LAN address.
      'upgrade-insecure-requests': null,
    },
  },
  strictTransportSecurity: false,
  crossOriginOpenerPolicy: false,
  originAgentCluster: false,
})

export function addPageRoutes(app: Express, directory = DIST, client = CLIENT): void {
  const page = (name: string) => (_request: unknown, response: Response) => {
    const file = join(directory, name, 'index.html')
    protect(_request as never, response, () => {
      response.setHeader('Cache-Control', 'no-cache')
      if (existsSync(file)) response.sendFile(file)
      else response.status(503).setHeader('Retry-After', '10').type('html').send(NOT_BUILT)
    })
  }
  route(app, '/admin', { get: page('admin') })
  route(app, '/viewer/:key', { get: page('viewer') })
  route(app, '/viewer', { get: page('viewer') })
  route(app, '/livekv.js', {
    get: (_request, response) => {
      response.setHeader('Cache-Control', 'no-cache')
      if (existsSync(client)) response.sendFile(client)
      // A script that says why is of more use in a browser's console than an answer that is none.
      else response.type('js').send(CLIENT_NOT_BUILT)
    },
  })
  route(app, '/', { get: (_request, response) => response.redirect(302, '/admin') })
  // Their names carry a hash of what is in them.
  app.use(
    '/assets',
    express.static(join(directory, 'assets'), {
      immutable: true,
      maxAge: '1y',
      index: false,
      redirect: false,
    }),
  )
  app.use(express.static(directory, { index: false, redirect: false }))
}
