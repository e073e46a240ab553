/**
 * Reads while Redis is emptied, stopped and killed: an instance on PostgreSQL and Redis with a Tail of next to nothing,
 * so that every key is asked of Redis; each phase reads every key once. Every value is checked.
 */
import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { startPostgres } from '../packages/server/test/services/postgres.ts'
import { startRedis } from '../packages/server/test/services/redis.ts'
import { type Line, quantile } from './figures.ts'
import { get, post, type RunningServer, startLiveKV } from './processes.ts'

const KEYS = 3_000
/** The smallest there is. */
const TAIL_ENTRIES = 100
const CONNECTIONS = 16

interface Measured {
  latencies: readonly number[]
  wrong: number
  databaseReads: number
}

export async function redisAway(): Promise<Line[]> {
  const postgres = await startPostgres()
  const redis = await startRedis()
  const servers: RunningServer[] = []
  const lines: Line[] = []
  const start = async () => {
    const settings = {
      DATABASE_URL: postgres.url,
      REDIS_URL: redis.url,
      TAIL_MAX_ENTRIES: String(TAIL_ENTRIES),
      // Otherwise it says that Redis is away.
      LOG_LEVEL: 'error',
    }
    const server = await startLiveKV(settings)
    servers.push(server)
    return server
  }
  const measure = async (name: string, server: RunningServer, atMostDatabaseReads: number) => {
    const measured = await readAll(server)
    lines.push(line(name, measured, atMostDatabaseReads))
  }
  try {
    const one = await start()
    await write(one)
    await readAll(one)
    await measure('as usual', one, 0)
    await redis.flush()
    await measure('emptied', one, KEYS)
    redis.pause()
    await measure('stopped', one, KEYS)
    await measure('stopped, an instance that started meanwhile', await start(), KEYS)
    redis.resume()
    await redis.kill()
    await measure('killed', one, KEYS)
    await redis.start()
    await untilCached(one)
    await measure('there again, empty', one, KEYS)
    return lines
  } finally {
    for (const server of servers) await server.stop()
    await redis.stop()
    await postgres.stop()
  }
}

function line(name: string, { latencies, wrong, databaseReads }: Measured, atMost: number): Line {
  const ms = (q: number) => quantile(latencies, q).toFixed(1)
  return {
    name: `l. GET /get of ${KEYS} keys, Redis ${name}`,
    figures: `p50 ${ms(0.5)} ms, p99 ${ms(0.99)} ms, max ${ms(1)} ms; ${databaseReads} database reads, ${wrong} wrong values`,
    aim: `no wrong value, ≤ ${atMost} database reads`,
    met: wrong === 0 && databaseReads <= atMost,
  }
}

async function write({ url }: RunningServer): Promise<void> {
  const agent = new Agent({ keepAlive: true })
  const put = (key: string, value: number) => ({ op: 'put', key, value })
  const values = Array.from({ length: KEYS }, (_, n) => put(`key-${n}`, n))
  // These take the whole Tail.
  const others = Array.from({ length: TAIL_ENTRIES }, (_, n) => put(`other-${n}`, n))
  for (const writes of [values, others]) await post(agent, `${url}/api/v1/batch`, JSON.stringify({ writes }))
  agent.destroy()
}

async function readAll({ url }: RunningServer): Promise<Measured> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
  const before = await databaseReads(url)
  const latencies: number[] = []
  let wrong = 0
  let next = 0
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      while (next < KEYS) {
        const n = next++
        const askedAt = performance.now()
        const answer = await get(agent, `${url}/get/key-${n}`)
        latencies.push(performance.now() - askedAt)
        if (JSON.parse(answer).value !== n) wrong++
      }
    }),
  )
  agent.destroy()
  return { latencies, wrong, databaseReads: (await databaseReads(url)) - before }
}

/** It is ready all the time; `degraded` once it has noticed that Redis is away, until it is back. */
async function untilCached({ url }: RunningServer): Promise<void> {
  for (;;) {
    const { status } = (await (await fetch(`${url}/readyz`)).json()) as { status: string }
    if (status === 'ready') return
    await sleep(50)
  }
}

async function databaseReads(url: string): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text()
  return Number(/^livekv_reads_total\{source="database"\} (\d+)/m.exec(metrics)?.[1] ?? 0)
}
