/**
 * A cluster under load, with one fault after the other, and what it must be able to answer for afterwards:
 *
 *   cluster -> load -> rounds × (faults -> healed -> watchers at what the log has by then) -> writers stop
 *           -> watchers at the last values, reads equal the store
 *           -> the log, the topic and what every client was told are compared
 */
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { checkShown } from '../sigkill/check-log.ts'
import { HttpClient } from '../sigkill/http-client.ts'
import { checkInstance, checkReads } from './check-reads.ts'
import { checkEntries, checkWrites } from './check-writes.ts'
import { DatabaseReader } from './database.ts'
import { FaultCluster, TOPIC } from './fault-cluster.ts'
import { FaultInjector, PROBE_KEY } from './fault-injector.ts'
import { Fleet } from './fleet.ts'
import { CLASSIC_CATCH_UP_MS, checkHealed, type Healing, LIVE_CATCH_UP_MS } from './heal-check.ts'
import { KEYS } from './keys.ts'
import type { LatestEntry, LoggedChange, ReadRecord, WriteRecord } from './records.ts'
import { INSTANCES, planRounds } from './schedule.ts'
import { ServerCounters } from './server-counters.ts'
import { auditTopic } from './topic-audit.ts'

/** Before the first fault. */
const QUIET_MS = 2_000
/** Longer is a violation. */
const READY_TIMEOUT_MS = 60_000
const SETTLE_TIMEOUT_MS = 20_000
const POLL_MS = 50

export interface FaultRunOptions {
  seed: number
  faults: number
  /** From the beginning of one fault to that of the next, on average. */
  meanMs: number
  writesPerSecond: number
  onProgress?: (line: string) => void
}

export interface FaultRun {
  /** What is wrong, in words; empty if everything held. */
  violations: string[]
  /** What was done when. */
  history: readonly string[]
  figures: string[]
  /** Where the instances' logs are; undefined: nothing is wrong, they are gone. */
  logFolder: string | undefined
}

export async function runFaults(options: FaultRunOptions): Promise<FaultRun> {
  const { seed, onProgress = () => {} } = options
  const cluster = await FaultCluster.start()
  const beganMs = performance.now()
  const now = () => performance.now() - beganMs
  const startedAt = new Date().toISOString()
  const database = new DatabaseReader(cluster.databaseUrl)
  const fleet = new Fleet(cluster, seed, now)
  const counters = new ServerCounters(cluster.instances)
  const injector = new FaultInjector({
    ...{ cluster, database, now, onProgress },
    probe: (instance) => fleet.probe(instance),
    behind: (revision) => fleet.behind(revision),
  })
  try {
    await fleet.start(options.writesPerSecond)
    counters.start()
    await sleep(QUIET_MS)
    const brokeOff: string[] = []
    const healings: Healing[] = []
    for (const faults of planRounds(seed, options.faults, options.meanMs)) {
      // A server that does not come back, most likely: what else is wrong may say why.
      await injector
        .injectAll(faults)
        .catch((error: Error) => brokeOff.push(`the faults broke off: ${error.message}`))
      await heal(cluster)
      healings.push(await checkHealed(fleet.watching, database))
      if (brokeOff.length > 0) break
    }
    const faultsMs = now()
    const notReady = await becomeReady(cluster)
    const readyMs = now()
    await fleet.stopWriting(SETTLE_TIMEOUT_MS)
    await fleet.settle()
    const { entries, nowMs } = await unexpiring(database)
    const quietMs = now()
    const stuck = await catchUp(fleet, entries)
    const caughtUpMs = now()
    const wrongReads = await checkInstances(cluster, entries, await database.head())
    const log = await database.log()
    const topic = await auditTopic(cluster.kafka.brokers, TOPIC, database, injector.topicSince)
    // What explains the others comes first.
    const violations = [
      ...cluster.instances.flatMap(({ ends }) => ends),
      ...checkWrites(log, fleet.writes),
      ...checkEntries(log, entries, nowMs),
      ...wrongReads,
      ...injector.violations,
      ...healings.flatMap(({ violations }) => violations),
      ...checkClients(fleet, log),
      ...brokeOff,
      ...notReady,
      ...stuck,
      ...topic.violations,
      ...checkServing(fleet),
    ]
    const figures = [
      `seed ${seed}, began ${startedAt}: ${options.faults} faults in ${seconds(faultsMs)} s: ${countsOf(injector)}`,
      ...figuresOf(fleet, log),
      await counters.stop(),
      `topic: ${topic.records} records, whole since revision ${injector.topicSince}`,
      healingFigures(healings),
      `then every instance ready after ${seconds(readyMs - faultsMs)} s, writers settled after ${seconds(quietMs - readyMs)} s, watchers at the last values after ${seconds(caughtUpMs - quietMs)} s`,
    ]
    const logFolder = violations.length === 0 ? undefined : await saveLogs(cluster)
    return { violations, history: injector.history, figures, logFolder }
  } catch (error) {
    const history = injector.history.join('\n')
    const logFolder = await saveLogs(cluster)
    throw new Error(`Seed ${seed}; logs in ${logFolder}; faults until then:\n${history}`, { cause: error })
  } finally {
    await counters.stop()
    await fleet.close()
    await cluster.stop()
  }
}

async function saveLogs({ instances }: FaultCluster): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'livekv-faults-'))
  for (const instance of instances) await instance.saveLog(folder)
  return folder
}

/** Every fault is over by itself, with what it ended started and answering, unless one of them broke off. */
async function heal(cluster: FaultCluster): Promise<void> {
  for (const link of Object.values(cluster.links).flat()) {
    await link.listen()
    link.heal()
  }
}

/** The instances say that they are well. */
async function becomeReady(cluster: FaultCluster): Promise<string[]> {
  const isEveryReady = async () =>
    (await Promise.all(cluster.instances.map((i) => i.isReady()))).every(Boolean)
  const isReady = await until(isEveryReady, READY_TIMEOUT_MS)
  return isReady ? [] : [`an instance was not ready ${READY_TIMEOUT_MS} ms after everything was healed`]
}

/** The latest values, once everything that has a time to expire at is gone. */
async function unexpiring(database: DatabaseReader): Promise<{ entries: LatestEntry[]; nowMs: number }> {
  let state = await database.entries()
  await until(async () => {
    state = await database.entries()
    return state.entries.every(({ expiresAtMs }) => expiresAtMs === undefined)
  }, LIVE_CATCH_UP_MS)
  return state
}

async function catchUp(fleet: Fleet, entries: readonly LatestEntry[]): Promise<string[]> {
  const live = () => [...fleet.liveWatchers, ...fleet.seats].flatMap((watcher) => watcher.missing(entries))
  const classic = () => fleet.classicWatchers.flatMap((watcher) => watcher.missing(entries))
  const [isLive, isClassic] = await Promise.all([
    until(() => live().length === 0, LIVE_CATCH_UP_MS),
    until(() => classic().length === 0, CLASSIC_CATCH_UP_MS),
  ])
  return [
    ...(isLive ? [] : live().map((problem) => `stuck after ${LIVE_CATCH_UP_MS} ms: ${problem}`)),
    ...(isClassic ? [] : classic().map((problem) => `stuck after ${CLASSIC_CATCH_UP_MS} ms: ${problem}`)),
  ]
}

/** Reads through every instance: as they are, which has a moment to become true, and as of the head, which has none. */
async function checkInstances(
  cluster: FaultCluster,
  entries: readonly LatestEntry[],
  head: number,
): Promise<string[]> {
  const problems: string[] = []
  for (const { name, url } of cluster.instances) {
    const client = new HttpClient(url)
    const read = async (atLeast?: number) => {
      const asked = { keys: [...KEYS, PROBE_KEY], ...(atLeast !== undefined && { atLeast }) }
      const sent = client.send('POST', '/api/v1/entries/get', asked)
      const { status, body } = await sent.catch((error: Error) => ({ status: 0, body: error.message }))
      if (status !== 200) return [`${name} reads ${JSON.stringify(body)}`]
      const found: LatestEntry[] = body.entries
      const absent: string[] = body.missing
      return checkInstance(
        name,
        entries,
        new Map<string, { revision: number; value?: string | number }>([
          ...found.map((entry) => [entry.key, entry] as const),
          ...absent.map((key) => [key, { revision: 0 }] as const),
        ]),
      )
    }
    let wrong: string[] = []
    await until(async () => {
      wrong = await read()
      return wrong.length === 0
    }, LIVE_CATCH_UP_MS)
    problems.push(...wrong, ...(await read(head)))
    client.close()
  }
  return problems
}

function checkClients(fleet: Fleet, log: readonly LoggedChange[]): string[] {
  const reads: ReadRecord[] = fleet.pollers.flatMap(({ records }) => records)
  return [
    ...checkReads(log, reads, fleet.writes),
    ...checkShown(log, fleet.shown),
    ...fleet.shownByLibrary.check(log),
    ...[...fleet.writers, ...fleet.classicWatchers, ...fleet.liveWatchers, ...fleet.seats].flatMap(
      ({ problems }) => problems,
    ),
    ...fleet.liveWatchers.flatMap((watcher) => watcher.checkCovered(log)),
  ]
}

function checkServing(fleet: Fleet): string[] {
  if (fleet.served.size === INSTANCES) return []
  return [`Nginx led all clients to ${fleet.served.size} of ${INSTANCES} instances`]
}

function healingFigures(healings: readonly Healing[]): string {
  const slowest = (limitMs: number) =>
    seconds(Math.max(0, ...healings.map(({ slowestMs }) => slowestMs.get(limitMs) ?? 0)))
  return `healed ${healings.length} times (links pass, services answer, instances started), the log at ${healings.map(({ head }) => head).join(', ')}: all of it shown to the last watcher after ${slowest(LIVE_CATCH_UP_MS)} s, to the last classic one after ${slowest(CLASSIC_CATCH_UP_MS)} s`
}

function countsOf({ counts }: FaultInjector): string {
  return [...counts].map(([name, count]) => `${name} ${count}`).join(', ')
}

function figuresOf(fleet: Fleet, log: readonly LoggedChange[]): string[] {
  const { writes } = fleet
  const of = (outcome: WriteRecord['outcome']) => writes.filter((write) => write.outcome === outcome).length
  const conditional = writes.filter(
    ({ ifRevision, outcome }) => ifRevision !== undefined && outcome === 'applied',
  )
  const repeated = writes.filter(({ tries }) => tries.length > 1).length
  const sum = (items: readonly { events: number }[]) => items.reduce((total, { events }) => total + events, 0)
  const reads = fleet.pollers.reduce((total, { records }) => total + records.length, 0)
  const unanswered = fleet.pollers.reduce((total, { unanswered }) => total + unanswered, 0)
  return [
    `writes: ${of('applied')} applied (${conditional.length} with a condition), ${of('unchanged')} unchanged, ${of('refused')} refused, ${of('unknown')} unknown; ${repeated} took more than one try; ${log.length} changes`,
    `deliveries: ${sum(fleet.classicWatchers)} classic, ${sum(fleet.liveWatchers)} live, ${sum(fleet.seats)} by the client; ${fleet.clientReconnects} reconnects`,
    `reads: ${reads} answered, ${unanswered} not; clients per instance: ${[...fleet.served.values()].join(', ')}`,
  ]
}

async function until(isTrue: () => boolean | Promise<boolean>, withinMs: number): Promise<boolean> {
  for (const deadline = performance.now() + withinMs; ; ) {
    if (await isTrue()) return true
    if (performance.now() > deadline) return false
    await sleep(POLL_MS)
  }
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(1)
}
