/** Is the process alive, does it take requests, and what does it run on. */
import { LiveKVError } from '@livekv/protocol'
import type { Express } from 'express'
import serverPackage from '../../package.json' with { type: 'json' }
import { sendError, sendJson } from './answer.ts'
import type { HttpContext } from './context.ts'
import { MAX_DEPTH } from './raw-json.ts'
import { route } from './route.ts'

export const VERSION = serverPackage.version

export function addHealthRoutes(app: Express, context: HttpContext): void {
  const { config, store, instance } = context

  route(app, '/healthz', { get: (_request, response) => sendJson(response, 200, '{"status":"ok"}') })

  route(app, '/readyz', {
    get(_request, response) {
      const { problem } = context.health()
      if (problem === null) sendJson(response, 200, '{"status":"ready"}')
      else sendError(response, new LiveKVError('STORE_FAILED', problem))
    },
  })

  route(app, '/api/v1/status', {
    async get(_request, response) {
      const { problem, contiguous } = context.health()
      const revision = await store.head().catch((error: Error) => error)
      const reason = problem ?? (revision instanceof Error ? revision.message : null)
      const status = {
        healthy: reason === null,
        ...(reason !== null && { problem: reason }),
        instance,
        version: VERSION,
        storeId: store.info.storeId,
        store: store.info.description,
        revision: revision instanceof Error ? null : revision,
        contiguous,
        uptimeSeconds: Math.round(process.uptime()),
        limits: {
          maxKeyBytes: config.maxKeyBytes,
          maxValueBytes: config.maxValueBytes,
          maxBodyBytes: config.maxBodyBytes,
          maxBatchItems: config.maxBatchItems,
          maxDepth: MAX_DEPTH,
          keysLimit: config.keysLimit,
          historyMaxChanges: config.historyMaxChanges,
          historyRetentionMs: config.historyRetentionMs ?? null,
        },
      }
      sendJson(response, reason === null ? 200 : 503, JSON.stringify(status))
    },
  })
}
