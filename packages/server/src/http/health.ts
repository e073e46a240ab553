/**
 * Is the process alive, does it take requests, and what does it run on.
 *
 *   alive      the process answers
 *   ready      it reaches its store and has seen all that was in the log when it was asked
 *   degraded   ready, but without its cache, its bus or the sockets of others: slower, and as right as ever
 */
import { LiveKVError } from '@livekv/protocol'
import type { Express } from 'express'
import type { Store } from '../store/store.ts'
import { VERSION } from '../version.ts'
import { sendError, sendJson } from './answer.ts'
import type { DegradedPart, HttpContext } from './context.ts'
import { MAX_DEPTH } from './raw-json.ts'
import { route } from './route.ts'

const PROBE_TIMEOUT_MS = 3_000
/** Far more than a gap takes to be filled; an instance that is this far behind shows its watchers what is old. */
const REACH_TIMEOUT_MS = 2_000

/** Anybody may ask: where a server is and what it said is for the log. */
const DEGRADED: Record<DegradedPart, string> = {
  cache: 'Redis cannot be used: more reads ask the database. The log of this instance says why.',
  sockets:
    'Redis cannot be used: who is connected to other instances is not known. The log of this instance says why.',
  bus: 'Kafka cannot be used: changes reach other instances a moment later. The log of this instance says why.',
}

type HealthContext = Pick<HttpContext, 'config' | 'instance' | 'health' | 'reach' | 'presence'> & {
  store: Pick<Store, 'info' | 'head'>
}

export function addHealthRoutes(app: Express, context: HealthContext): void {
  const { config, store, instance } = context

  route(app, '/healthz', { get: (_request, response) => sendJson(response, 200, '{"status":"ok"}') })

  route(app, '/readyz', {
    async get(_request, response) {
      const problem = context.health().problem ?? (await readiness(context))
      if (problem !== null) return sendError(response, problem)
      const { degraded } = context.health()
      const status = degraded.length === 0 ? 'ready' : 'degraded'
      sendJson(response, 200, JSON.stringify({ status, ...shownParts(degraded) }))
    },
  })

  route(app, '/api/v1/status', {
    async get(_request, response) {
      const { problem, contiguous, degraded } = context.health()
      const state = await storeState(store)
      const reason = problem ?? state.problem
      const status = {
        healthy: reason === null,
        ...(reason !== null && { problem: reason.message }),
        ...shownParts(degraded),
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

function shownParts(degraded: readonly DegradedPart[]) {
  return degraded.length > 0 && { degraded: degraded.map((part) => ({ part, problem: DEGRADED[part] })) }
}

async function readiness({ store, reach, health }: HealthContext): Promise<LiveKVError | null> {
  const { revision, problem } = await storeState(store)
  if (revision === null || (await reach(revision, REACH_TIMEOUT_MS))) return problem
  return new LiveKVError(
    'REVISION_NOT_REACHED',
    `This instance has seen the log up to revision ${health().contiguous} of ${revision} and is catching up; use another one until then.`,
    { reached: health().contiguous, retryAfterSeconds: 1 },
  )
}

/** Asked at every probe rather than remembered: what is not reached now is not claimed. */
async function storeState(
  store: HealthContext['store'],
): Promise<{ revision: number | null; problem: LiveKVError | null }> {
  let timer: NodeJS.Timeout | undefined
  const silent = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      reject,
      PROBE_TIMEOUT_MS,
      new LiveKVError('STORE_FAILED', `The store gave no answer in ${PROBE_TIMEOUT_MS} ms.`),
    )
  })
  try {
    return { revision: await Promise.race([store.head(), silent]), problem: null }
  } catch (error) {
    if (!(error instanceof LiveKVError)) throw error
    return { revision: null, problem: error }
  } finally {
    clearTimeout(timer)
  }
}
