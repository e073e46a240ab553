/**
 * Writers at full speed and watchers of each kind, while the server is killed and started again and again:
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
import { type Client, createClient } from '@livekv/client'
import { freePort } from '../services/free-port.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { AllShown, CheckedWatcher } from '../watchers/checked-watcher.ts'
import { checkLog, checkShown, type LatestEntry, type LoggedChange } from './check-log.ts'
import { HttpClient } from './http-client.ts'
import { type Asked, LiveWatcher } from './live-watcher.ts'
import { ServerProcess } from './server-process.ts'
import { Watcher } from './watcher.ts'
import { Writer } from './writer.ts'

const WRITERS = 4
const CLASSIC_WATCHERS = 25
const LIVE_WATCHERS = 40
/** Watchers of the real client, a client for every two. */
const CLIENT_WATCHERS = 10
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
  const random = seededRandom(seed)
  console.log(`SIGKILL_SEED=${seed} SIGKILL_KILLS=${kills}`)
  const folder = await mkdtemp(join(tmpdir(), 'livekv-sigkill-'))
  const server = new ServerProcess(await freePort(), folder, { DATA_DIR: join(folder, 'data'), ...env })
  const client = new HttpClient(server.url)
  const watchers: Watcher[] = []
  const liveWatchers: LiveWatcher[] = []
  const clients: Client[] = []
  const clientWatchers: CheckedWatcher[] = []
  const coming = new AbortController()
  const began = performance.now()
  try {
    await server.start()
    const shown = new Map<number, LatestEntry>()
    const keysOf = (index: number) => [0, 1, 2].map((offset) => KEYS[(index + offset * 7) % KEYS.length]!)
    const transportsOf = (index: number): ('polling' | 'websocket')[] =>
      index % 5 === 0 ? ['polling', 'websocket'] : ['websocket']
    for (let index = 0; index < CLASSIC_WATCHERS; index++) {
      watchers.push(new Watcher(server.url, keysOf(index), shown, { transports: transportsOf(index) }))
    }
    const goings: Promise<void>[] = []
    for (let index = 0; index < LIVE_WATCHERS; index++) {
      const watcher = new LiveWatcher(server.url, askedBy(index), shown, { transports: transportsOf(index) })
      liveWatchers.push(watcher)
      if (index % 4 === 0) goings.push(watcher.comeAndGo(seededRandom(seed - index - 1), coming.signal))
    }
    const shownByClients = new AllShown(false)
    for (let index = 0; index < CLIENT_WATCHERS; index++) {
      if (index % 2 === 0) clients.push(createClient(server.url))
      const asked = index % 3 === 0 ? { prefix: '' } : askedBy(index)
      clientWatchers.push(
        new CheckedWatcher(
          `client ${clients.length}`,
          clients.at(-1)!,
          asked,
          shownByClients,
          index % 4 === 3,
        ),
      )
    }
    const writers = Array.from(
      { length: WRITERS },
      (_, index) => new Writer(`w${index}`, client, KEYS, seededRandom(seed + index + 1)),
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
    coming.abort()
    await Promise.all(goings)

    const log = await readLog(client)
    const entries = await readEntries(client)
    const stuck = await waitForWatchers(() => [
      ...watchers.flatMap((watcher) => watcher.missing(entries)),
      ...liveWatchers.flatMap((watcher) => watcher.missing(entries)),
      ...clientWatchers.flatMap((watcher) => watcher.missing(entries)),
      ...clients.flatMap(({ state }, index) =>
        state.name === 'live' ? [] : [`client ${index} is ${state.name}`],
      ),
    ])
    const records = writers.flatMap((writer) => writer.records)
    const problems = [
      ...checkLog(log, entries, records),
      ...checkShown(log, shown),
      ...shownByClients.check(log),
      ...[...watchers, ...liveWatchers, ...clientWatchers].flatMap((watcher) => watcher.problems),
      ...liveWatchers.flatMap((watcher) => watcher.checkCovered(log)),
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
        `${CLASSIC_WATCHERS} classic watchers were shown ${sum(watchers.map((watcher) => watcher.events))} events`,
        `over ${sum(watchers.map((watcher) => watcher.connects))} connections,`,
        `${LIVE_WATCHERS} live ones ${sum(liveWatchers.map((watcher) => watcher.events))}`,
        `over ${sum(liveWatchers.map((watcher) => watcher.connects))},`,
        `of which ${sum(liveWatchers.map((watcher) => watcher.resumes))} resumed,`,
        `${CLIENT_WATCHERS} of the client ${sum(clientWatchers.map((watcher) => watcher.events))}`,
      ].join(' '),
    }
  } catch (error) {
    throw new Error(`The server's last output:\n${server.output}`, { cause: error })
  } finally {
    coming.abort()
    for (const watcher of [...watchers, ...liveWatchers]) watcher.close()
    for (const client of clients) client.close()
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

async function waitForWatchers(missing: () => string[]): Promise<string[]> {
  const deadline = Date.now() + CATCH_UP_TIMEOUT_MS
  for (let stuck = missing(); ; stuck = missing()) {
    if (stuck.length === 0 || Date.now() > deadline) return stuck.map((problem) => `stuck: ${problem}`)
    await sleep(50)
  }
}

/** Keys, prefixes, everything. */
function askedBy(index: number): Asked {
  if (index % 4 < 2) return { keys: KEYS.filter((_, n) => (n + index) % 8 === 0) }
  return { prefix: ['', 'key1', 'counter', 'key', 'key7'][index % 5]! }
}
