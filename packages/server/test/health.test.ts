import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { afterEach, expect, test } from 'vitest'
import { loadConfig } from '../src/config.ts'
import type { DegradedPart } from '../src/http/context.ts'
import { addHealthRoutes } from '../src/http/health.ts'
import { reach } from '../src/live/reach.ts'
import { storeOf } from './support/live-server.ts'
import { LogOracle } from './support/log-oracle.ts'

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

/** The health routes over a log in memory, of which this instance has seen `contiguous`. */
async function serve(state: { contiguous: number; degraded?: DegradedPart[] }) {
  const oracle = new LogOracle()
  oracle.commit([{ op: 'put', key: 'a', json: '1' }])
  const hub = {
    contiguous: state.contiguous,
    isClosed: false,
    noteHead() {},
    async catchUp() {},
    whenReached: async (revision: number) => state.contiguous >= revision,
  }
  const app = express()
  addHealthRoutes(app, {
    config: loadConfig({}).config,
    store: storeOf(oracle),
    instance: 'one',
    health: () => ({ problem: null, contiguous: state.contiguous, degraded: state.degraded ?? [] }),
    presence: async () => ({
      instance: { sockets: 0, watches: 0 },
      cluster: { instances: 1, sockets: 0, watches: 0 },
      complete: true,
    }),
    reach: (revision, timeoutMs) => reach(hub, revision, () => false, Math.min(timeoutMs, 20)),
  })
  const server = createServer(app).listen(0, '127.0.0.1')
  closing.push(() => server.close())
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return async (path: string) => {
    const response = await fetch(`${url}${path}`)
    return {
      status: response.status,
      retryAfter: response.headers.get('retry-after'),
      json: await response.json(),
    }
  }
}

test('ready', async () => {
  const ask = await serve({ contiguous: 1 })
  expect(await ask('/readyz')).toEqual({ status: 200, retryAfter: null, json: { status: 'ready' } })
  expect((await ask('/api/v1/status')).json).not.toHaveProperty('degraded')
})

test('without its cache or bus it is ready all the same, and says so', async () => {
  const ask = await serve({ contiguous: 1, degraded: ['bus'] })
  const degraded = [{ part: 'bus', problem: expect.stringMatching(/^Kafka cannot be used: .*log/) }]
  expect(await ask('/readyz')).toEqual({
    status: 200,
    retryAfter: null,
    json: { status: 'degraded', degraded },
  })
  expect(await ask('/api/v1/status')).toMatchObject({ status: 200, json: { healthy: true, degraded } })
})

test('an instance that has not seen what is in the log is not ready', async () => {
  const ask = await serve({ contiguous: 0 })
  expect(await ask('/readyz')).toMatchObject({
    status: 503,
    retryAfter: '1',
    json: { code: 'REVISION_NOT_REACHED', error: expect.stringContaining('up to revision 0 of 1') },
  })
})
