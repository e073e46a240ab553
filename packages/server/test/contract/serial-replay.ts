import type { Change, CommitResult, Store, Write } from '../../src/store/store.ts'
import { canonicalDecimal } from './decimal.ts'
import { ModelStore } from './model-store.ts'
import { logSince } from './store-case.ts'

/**
 * Checks that concurrent commits equal some one-after-the-other order.
 *
 * `runWorkload` lets each writer commit random batches on three keys and notes, by a counter that all share, when
 * each was called and answered. `findViolation` then takes the log as the order, replays every batch at its place
 * through the model, and looks for an answer that the replay does not give. A batch that changed nothing has no
 * place in the log: it must fit at some point between its call and its answer.
 */
export type Committer = Pick<Store, 'commit'>

export interface Committed {
  calledAt: number
  answeredAt: number
  writes: Write[]
  results: CommitResult[]
}

export async function runWorkload(
  writers: readonly Committer[],
  options: { prefix: string; batches: number; maxBatch: number },
): Promise<Committed[]> {
  const history: Committed[] = []
  /** Last revision anybody saw of a key: what makes conditions hold often enough. */
  const seen = new Map<string, number>()
  let tick = 0
  await Promise.all(
    writers.map(async (writer) => {
      for (let i = 0; i < options.batches; i++) {
        const writes = Array.from({ length: 1 + random(options.maxBatch) }, () =>
          randomWrite(options.prefix, seen),
        )
        const calledAt = ++tick
        const results = await writer.commit(writes)
        history.push({ calledAt, answeredAt: ++tick, writes, results })
        for (const [at, result] of results.entries()) {
          if (result.status === 'applied') seen.set(writes[at]!.key, result.change.revision)
          else if (result.status === 'conflict') seen.set(writes[at]!.key, result.revision)
        }
      }
    }),
  )
  return history
}

const random = (below: number) => Math.floor(Math.random() * below)

function randomWrite(prefix: string, seen: Map<string, number>): Write {
  const key = `${prefix}${random(3)}`
  const ifRevision = seen.get(key) ?? 0
  switch (random(6)) {
    case 0:
      return { op: 'put', key, json: `${random(100)}` }
    case 1:
      return { op: 'delete', key }
    case 2:
      return { op: 'increment', key, by: '1' }
    case 3:
      return { op: 'put', key, json: '0', ifRevision: 0 }
    case 4:
      return { op: 'delete', key, ifRevision }
    default:
      return { op: 'put', key, json: `${random(100)}`, ifRevision }
  }
}

/** What contradicts a one-after-the-other order, in a sentence; null if nothing does. */
export async function findViolation(
  store: Pick<Store, 'changesSince' | 'get'>,
  run: { prefix: string; base: number; history: readonly Committed[] },
): Promise<string | null> {
  const log = await logSince(store, run.base)
  return gapInLog(log, run.base) ?? replay(log, run) ?? (await differsFromFold(store, log, run.prefix))
}

function gapInLog(log: readonly Change[], base: number): string | null {
  for (const [i, change] of log.entries()) {
    if (change.revision !== base + i + 1)
      return `revision ${base + i + 1} is missing: ${change.revision} follows`
    if (i > 0 && change.at < log[i - 1]!.at) return `at runs backwards at revision ${change.revision}`
  }
  return null
}

async function differsFromFold(
  store: Pick<Store, 'get'>,
  log: readonly Change[],
  prefix: string,
): Promise<string | null> {
  const last = new Map(log.map((change) => [change.key, change]))
  const keys = [0, 1, 2].map((i) => `${prefix}${i}`)
  const { entries } = await store.get(keys)
  for (const key of keys) {
    const [change, entry] = [last.get(key), entries.get(key)]
    const alive = change !== undefined && change.json !== null
    if (alive !== (entry !== undefined))
      return `the log says ${key} is ${alive ? 'there' : 'gone'}, the entries differ`
    if (alive && (entry!.revision !== change.revision || entry!.json !== change.json)) {
      return `the entry of ${key} is ${entry!.json}@${entry!.revision}, the log ends with ${change.json}@${change.revision}`
    }
  }
  return null
}

function replay(log: readonly Change[], run: { base: number; history: readonly Committed[] }): string | null {
  const placed = run.history
    .flatMap((commit) => {
      const changes = commit.results.flatMap((r) => (r.status === 'applied' ? [r.change] : []))
      return changes.length > 0 ? [{ commit, first: changes[0]!.revision, changes }] : []
    })
    .sort((a, b) => a.first - b.first)
  const model = new ModelStore(run.base)
  const unplaced = new Set(run.history.filter((c) => c.results.every((r) => r.status !== 'applied')))
  const bounds = new Map([...unplaced].map((commit) => [commit, window(commit, placed, run.base)]))

  const fitHere = () => {
    for (const commit of unplaced) {
      const { low, high } = bounds.get(commit)!
      if (
        model.head >= low &&
        model.head <= high &&
        sameAnswers(model.copy().commit(commit.writes), commit.results)
      ) {
        unplaced.delete(commit)
      }
    }
  }
  fitHere()
  for (const { commit, first, changes } of placed) {
    if (first !== model.head + 1)
      return `revision ${first} was answered, ${model.head + 1} to nobody or twice`
    const expected = model.commit(commit.writes)
    if (!sameAnswers(expected, commit.results)) {
      return `at revision ${first}: ${JSON.stringify(commit.writes)} answered ${JSON.stringify(commit.results)}, a replay gives ${JSON.stringify(expected)}`
    }
    for (const change of changes) {
      const row = log[change.revision - run.base - 1]
      if (!row || row.key !== change.key || row.json !== change.json || row.at !== change.at) {
        return `revision ${change.revision} was answered as ${JSON.stringify(change)}, the log has ${JSON.stringify(row)}`
      }
    }
    fitHere()
  }
  if (model.head !== run.base + log.length)
    return `${run.base + log.length - model.head} changes in the log were answered to nobody`
  for (const commit of unplaced) {
    const { low, high } = bounds.get(commit)!
    return `${JSON.stringify(commit.writes)} answered ${JSON.stringify(commit.results)}, which fits nowhere between revisions ${low} and ${high}`
  }
  return null
}

/** Between which heads of the log a batch was decided: after what was answered before its call, before what was called after its answer. */
function window(
  commit: Committed,
  placed: readonly { commit: Committed; first: number; changes: Change[] }[],
  base: number,
): { low: number; high: number } {
  let low = base
  let high = Number.POSITIVE_INFINITY
  for (const other of placed) {
    if (other.commit.answeredAt < commit.calledAt) low = Math.max(low, other.changes.at(-1)!.revision)
    if (other.commit.calledAt > commit.answeredAt) high = Math.min(high, other.first - 1)
  }
  return { low, high }
}

function sameAnswers(expected: ReturnType<ModelStore['commit']>, results: readonly CommitResult[]): boolean {
  return expected.every((e, i) => {
    const r = results[i]!
    if (e.status !== r.status) return false
    if (e.status === 'failed') return r.status === 'failed' && e.code === r.code
    if (e.status === 'applied') {
      if (r.status !== 'applied' || e.change.revision !== r.change.revision) return false
      const [mine, theirs] = [e.change.json, r.change.json]
      return mine === null || theirs === null
        ? mine === theirs
        : canonicalDecimal(mine) === canonicalDecimal(theirs)
    }
    return r.status === e.status && r.revision === e.revision
  })
}
