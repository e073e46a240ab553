import { LiveKVError } from '@livekv/protocol'
import type { Express, Request, Response } from 'express'
import type { RateLimits } from '../limits/rate-limits.ts'
import { shown } from './shown.ts'

type Handler = (request: Request, response: Response) => unknown
type Method = 'get' | 'put' | 'post' | 'patch' | 'delete'

/**
 * All methods of an address at once, so that any other one is answered with 405 and what is allowed. With `limits`, GET
 * counts as a read and anything else as a write.
 */
export function route(
  app: Express,
  path: string,
  handlers: Partial<Record<Method, Handler>>,
  limits?: Pick<RateLimits, 'read' | 'write'>,
): void {
  const entry = app.route(path)
  const allowed: string[] = []
  for (const [method, handler] of Object.entries(handlers) as [Method, Handler][]) {
    // Express answers a rejected promise only if it is returned to it.
    entry[method]((request, response) => {
      if (method === 'get') limits?.read(request, response)
      else limits?.write(request, response)
      return handler(request, response)
    })
    allowed.push(...(method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()]))
  }
  entry.all((request, response) => {
    response.setHeader('Allow', allowed.join(', '))
    throw new LiveKVError(
      'METHOD_NOT_ALLOWED',
      `${request.method} is not for ${shown(request.path)}: use ${allowed.join(', ')}.`,
      { allow: allowed },
    )
  })
}
