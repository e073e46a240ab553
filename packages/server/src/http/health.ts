/** Is the process alive, does it take requests, and what does it run on. */
import { LiveKVError } from '@livekv/protocol'
import type { Express } from 'express'
import { VERSION } from '../version.ts'
import { sendError, sendJson } from './answer.ts'
import type { HttpContext } from './context.ts'
import { MAX_DEPTH } from './raw-json.ts'
import { route } from './route.ts'

const PROBE_TIMEOUT_MS = 3_000

export function addHealthRoutes(app: Express, context: HttpContext): void {
  const { config, store, instance } = context

  route(app, '/healthz', { get: (_request, response) => sendJson(response, 200, '{"status":"ok"}') })

  route(app, '/readyz', {
    async get(_request, response) {
      const problem = context.health().problem ?? (await storeState(store)).problem
      if (problem === null) sendJson(response, 200, '{"status":"ready"}')
      else sendError(response, problem)
    },
  })

  route(app, '/api/v1/status', {
    async get(_request, response) {
      const { problem, contiguous } = context.health()
      const state = await storeState(store)
      const reason = problem ?? state.problem
      const status = {
        healthy: reason === null,
        ...(reason !== null && { problem: reason.message }),
        instance,
        version: VERSION,
        storeId: store.info.storeId,
        store: store.info.description,
        ...(store.info.engine && { engine: store.info.engine }),
        revision: state.revision,
        contiguous,
        uptimeSeconds: Math.round(process.uptime()),
        presence: await context.presence(),
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

/** Asked at every probe rather than remembered: what is not reached now is not claimed. */
async function storeState(
  store: HttpContext['store'],
): Promise<{ revision: number | null; problem: LiveKVError | null }> {
  let timer: NodeJS.Timeout | undefined
  const silent = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      reject,
      PROBE_TIMEOUT_MS,
      new Error(`The store gave no answer in ${PROBE_TIMEOUT_MS} ms.`),
    )
  })
  try {
    return { revision: await Promise.race([store.head(), silent]), problem: null }
  } catch (error) {
    const problem =
      error instanceof LiveKVError ? error : new LiveKVError('STORE_FAILED', (error as Error).message)
    return { revision: null, problem }
  } finally {
    clearTimeout(timer)
  }
}
