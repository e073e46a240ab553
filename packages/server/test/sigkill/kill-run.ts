/**
 * Writers at full speed and classic watchers, while the server is killed and started again and again:
 *
 *   start -> writers, watchers -> kills × (random wait, SIGKILL, start) -> writers done -> the whole log is read
 *         -> log, entries, answers and what was shown are compared
 *
 * SIGKILL_SEED repeats the choices of a run (not its timing); SIGKILL_KILLS makes it longer.
 */
import { randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../services/free-port.ts'
import { checkLog, checkShown, type LatestEntry, type LoggedChange } from './check-log.ts'
import { HttpClient } from './http-client.ts'
import { ServerProcess } from './server-process.ts'
import { Watcher } from './watcher.ts'
import { Writer } from './writer.ts'

const WRITERS = 4
const WATCHERS = 50
const KEYS = Array.from({ length: 24 }, (_, index) => `key${index}`)
const MAX_UP_MS = 2_000
/** Only ends a run in which a watcher is stuck. */
const CATCH_UP_TIMEOUT_MS = 30_000

export interface KillRun {
  problems: string[]
  kills: number
  figures: string
}

/** `env` names the store; without a database in it, the embedded one is used. */
export async function runWithKills(env: Record<string, string> = {}): Promise<KillRun> {
  const seed = Number(process.env.SIGKILL_SEED ?? randomInt(2 ** 31))
  const kills = Number(process.env.SIGKILL_KILLS ?? 10)
  const random = mulberry32(seed)
  console.log(`SIGKILL_SEED=${seed} SIGKILL_KILLS=${kills}`)
  const folder = await mkdtemp(join(tmpdir(), 'livekv-sigkill-'))
  const server = new ServerProcess(await freePort(), folder, { DATA_DIR: join(folder, 'data'), ...env })
  const client = new HttpClient(server.url)
  const watchers: Watcher[] = []
  const began = performance.now()
  try {
    await server.start()
    const shown = new Map<number, LatestEntry>()
    for (let index = 0; index < WATCHERS; index++) {
      const keys = [0, 1, 2].map((offset) => KEYS[(index + offset * 7) % KEYS.length]!)
      watchers.push(
        new Watcher(server.url, keys, shown, index % 5 === 0 ? ['polling', 'websocket'] : ['websocket']),
      )
    }
    const writers = Array.from(
      { length: WRITERS },
      (_, index) => new Writer(`w${index}`, client, KEYS, mulberry32(seed + index + 1)),
    )
    for (const writer of writers) writer.start()
    for (let kill = 0; kill < kills; kill++) {
      await writingAgain(writers)
      await sleep(random() * MAX_UP_MS)
      await server.kill()
      await server.start()
    }
    await Promise.all(writers.map((writer) => writer.stop()))
    const seconds = (performance.now() - began) / 1000

    const log = await readLog(client)
    const entries = await readEntries(client)
    const stuck = await waitForWatchers(watchers, entries)
    const records = writers.flatMap((writer) => writer.records)
    const problems = [
      ...checkLog(log, entries, records),
      ...checkShown(log, shown),
      ...watchers.flatMap((watcher) => watcher.problems),
      ...stuck,
    ]
    const count = (outcome: string) => records.filter((record) => record.outcome === outcome).length
    const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0)
    return {
      problems,
      kills,
      figures: [
        `seed ${seed}: ${kills} kills in ${seconds.toFixed(0)} s; ${log.length} changes;`,
        `${records.length} writes: ${count('applied')} applied, ${count('refused')} refused, ${count('unknown')} unknown;`,
        `${sum(writers.map((writer) => writer.repeated))} repeats found their first try applied;`,
        `${WATCHERS} watchers were shown ${sum(watchers.map((watcher) => watcher.events))} events`,
        `over ${sum(watchers.map((watcher) => watcher.connects))} connections`,
      ].join(' '),
    }
  } catch (error) {
    throw new Error(`The server's last output:\n${server.output}`, { cause: error })
  } finally {
    for (const watcher of watchers) watcher.close()
    client.close()
    await server.kill()
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** Resolves when something was acknowledged since it was called: on a busy machine a start takes long. */
async function writingAgain(writers: readonly Writer[]): Promise<void> {
  const acknowledged = () => writers.reduce((count, writer) => count + writer.acknowledged, 0)
  const before = acknowledged()
  while (acknowledged() === before) await sleep(10)
}

async function readLog(client: HttpClient): Promise<LoggedChange[]> {
  const log: LoggedChange[] = []
  while (true) {
    const since = log.at(-1)?.revision ?? 0
    const { status, body } = await client.send('GET', `/api/v1/changes?limit=5000&since=${since}`)
    if (status !== 200) throw new Error(`Reading the log: ${status} ${JSON.stringify(body)}`)
    for (const change of body.changes) log.push(change)
    if (body.changes.length === 0 || log.at(-1)!.revision >= body.head) return log
  }
}

async function readEntries(client: HttpClient): Promise<LatestEntry[]> {
  const { body } = await client.send('GET', '/api/v1/entries?limit=1000')
  return body.entries
}

async function waitForWatchers(
  watchers: readonly Watcher[],
  entries: readonly LatestEntry[],
): Promise<string[]> {
  const deadline = Date.now() + CATCH_UP_TIMEOUT_MS
  while (true) {
    const missing = watchers.flatMap((watcher, index) =>
      watcher.missing(entries).map((problem) => `watcher ${index} is stuck with ${problem}`),
    )
    if (missing.length === 0 || Date.now() > deadline) return missing
    await sleep(50)
  }
}

/** A small seeded generator of numbers in [0, 1). */
function mulberry32(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
