import type { Model, Step } from './explorer.ts'
import type { FenceRules } from './fence.rules.ts'

/**
 * Batches whose answers can be lost, of one or two processes on one database.
 *
 *   process   sends a batch and waits; gives up waiting; sends a fence; settles the batch by the fence's answer;
 *             gives the batch up at its deadline; ends and starts again
 *   wire      a statement lands at any time after it was sent, or never, or once more (a proxy or a driver that
 *             repeats it); its answer arrives or, when the process gives up first, does not
 *   database  a batch takes the lock and is checked, then commits or is rolled back; a fence answers;
 *             the writer row of a process that seems dead is removed
 */
export interface FenceState {
  /** The counter: revision of the last batch (a batch is one change here). */
  head: number
  /** Whether a batch is between its checks and its commit, holding the counter's lock. */
  locked: boolean
  rows: (WriterRow | null)[]
  processes: Process[]
  batches: Batch[]
  wire: Statement[]
  /** What the surroundings may still do. */
  repeatsLeft: number
  removalsLeft: number
}

interface WriterRow {
  epoch: number
  lastBatch: number
  /** The revision that was answered to that batch. */
  result: number
}

interface Process {
  row: number
  epoch: number
  /** Number of the last batch sent from this start. */
  number: number
  phase: 'idle' | 'waiting' | 'unsure' | 'fencing' | 'down'
  /** Index of the batch under way. */
  batch: number | null
  startsLeft: number
  fencesLeft: number
}

interface Batch {
  process: number
  outcome: 'new' | 'pending' | 'acknowledged' | 'failed' | 'unknown'
  timesApplied: number
  revision: number
  answered: number
}

interface Statement {
  kind: 'batch' | 'fence'
  process: number
  row: number
  batch: number
  number: number
  epoch: number
  stage: 'sent' | 'passed' | 'inside' | 'unrecorded' | 'done'
  /** Revision it will have, decided where it looks at the counter. */
  revision: number
  answer: 'applied' | 'refused' | 'missing' | WriterRow | null
  /** Whether a process still waits for the answer. */
  awaited: boolean
}

export interface FenceOptions {
  rules: FenceRules
  /** How many batches each process has to write. */
  batches: readonly number[]
  restarts: number
  repeats: number
  removals: number
  /** Fences each process may send. */
  fences: number
}

export const FENCE_INVARIANTS = {
  twice: 'a batch is applied twice',
  notApplied: 'a batch is acknowledged and was not applied',
  applied: 'a batch is reported as failed and was applied',
  wrongResult: 'a batch is answered with a revision that is not its own',
  sharedRevision: 'two batches have one revision',
} as const

export function fenceModel(options: FenceOptions): Model<FenceState> {
  const { rules } = options
  const initial: FenceState = {
    head: 0,
    locked: false,
    rows: options.batches.map(() => ({ epoch: 1, lastBatch: 0, result: 0 })),
    processes: options.batches.map((_, row) => ({
      row,
      epoch: 1,
      number: 0,
      phase: 'idle',
      batch: null,
      startsLeft: options.restarts,
      fencesLeft: options.fences,
    })),
    batches: options.batches.flatMap((count, process) =>
      Array.from({ length: count }, () => ({
        process,
        outcome: 'new' as const,
        timesApplied: 0,
        revision: 0,
        answered: 0,
      })),
    ),
    wire: [],
    repeatsLeft: options.repeats,
    removalsLeft: options.removals,
  }

  /** `change` works on a copy. */
  function step(state: FenceState, label: string, change: (copy: FenceState) => void): Step<FenceState> {
    const copy: FenceState = {
      ...state,
      rows: state.rows.map((row) => row && { ...row }),
      processes: state.processes.map((process) => ({ ...process })),
      batches: state.batches.map((batch) => ({ ...batch })),
      wire: state.wire.map((statement) => ({ ...statement })),
    }
    change(copy)
    copy.wire = copy.wire.filter((statement) => statement.awaited || mayMatter(copy, statement))
    return { label, state: copy }
  }

  /** Of a statement whose answer nobody waits for: can it still do anything? Epochs and numbers only rise. */
  function mayMatter(s: FenceState, statement: Statement): boolean {
    if (statement.stage === 'done') return false
    if (statement.stage !== 'sent') return true
    if (statement.kind === 'batch') return isLetIn(s, statement)
    const isCurrent = s.processes.some((process) => process.row === statement.row)
    return isCurrent || s.wire.some((other) => other.kind === 'batch' && other.row === statement.row)
  }

  function* steps(state: FenceState): Iterable<Step<FenceState>> {
    for (let p = 0; p < state.processes.length; p++) yield* processSteps(state, p)
    for (let i = 0; i < state.wire.length; i++) yield* statementSteps(state, i)
    if (state.removalsLeft > 0) {
      for (const [i, row] of state.rows.entries()) {
        if (row === null) continue
        yield step(state, `row ${i + 1} is taken for dead and removed`, (s) => {
          s.rows[i] = null
          s.removalsLeft--
        })
      }
    }
  }

  function* processSteps(state: FenceState, p: number): Iterable<Step<FenceState>> {
    const process = state.processes[p]!
    const name = `process ${p + 1}`
    if (process.phase === 'idle') {
      const batch = state.batches.findIndex((b) => b.process === p && b.outcome === 'new')
      if (batch >= 0) {
        yield step(state, `${name} sends batch ${batch + 1}`, (s) => {
          s.batches[batch]!.outcome = 'pending'
          sendBatch(s, p, batch)
        })
      }
    }
    if (process.phase === 'waiting' || process.phase === 'fencing') {
      yield step(state, `${name} gives up waiting`, (s) => {
        s.processes[p]!.phase = 'unsure'
        forgetAnswers(s, p)
      })
    }
    if (process.phase === 'unsure') {
      if (rules['fence-first'] || process.batch === null) {
        if (process.fencesLeft > 0) yield step(state, `${name} sends a fence`, (s) => sendFence(s, p))
      } else if (process.number < 3) {
        yield step(state, `${name} sends batch ${process.batch + 1} again`, (s) =>
          sendBatch(s, p, process.batch!),
        )
      }
    }
    if ((process.phase === 'unsure' || process.phase === 'fencing') && process.batch !== null) {
      const outcome = rules['unknown-at-deadline'] ? 'unknown' : 'failed'
      yield step(state, `${name} gives batch ${process.batch + 1} up at its deadline: ${outcome}`, (s) => {
        settle(s, p, outcome, 0)
      })
    }
    if (process.phase === 'down') {
      yield step(state, `${name} starts again`, (s) => start(s, p))
    } else if (process.startsLeft > 0) {
      yield step(state, `${name} is killed`, (s) => {
        if (process.batch !== null) settle(s, p, 'unknown', 0)
        s.processes[p]!.phase = 'down'
        s.processes[p]!.startsLeft--
        forgetAnswers(s, p)
      })
    }
  }

  function* statementSteps(state: FenceState, i: number): Iterable<Step<FenceState>> {
    const statement = state.wire[i]!
    const what =
      statement.kind === 'batch'
        ? `batch ${statement.batch + 1} (no. ${statement.number}, epoch ${statement.epoch})`
        : `the fence of process ${statement.process + 1}`
    if (statement.stage === 'sent') {
      if (statement.kind === 'batch' && state.repeatsLeft > 0) {
        yield step(state, `${what} is repeated on the way`, (s) => {
          s.wire.push({ ...statement, awaited: false })
          s.repeatsLeft--
        })
      }
      if (statement.kind === 'fence') yield* fenceLands(state, i, what)
      else yield* batchLands(state, i, what)
    } else if (statement.stage === 'passed') {
      if (!state.locked) yield step(state, `${what} gets the lock`, (s) => enter(s, i))
    } else if (statement.stage === 'inside') {
      yield step(state, `${what} commits`, (s) => commit(s, i))
      yield step(state, `${what} is rolled back with its connection`, (s) => {
        s.locked = false
        drop(s, i)
      })
    } else if (statement.stage === 'unrecorded') {
      yield step(state, `${what} is recorded in its row`, (s) => record(s, s.wire[i]!))
      yield step(state, `${what} loses its connection before it is recorded`, (s) => drop(s, i))
    } else {
      yield step(state, `${what} is answered`, (s) => receive(s, i))
    }
  }

  function* batchLands(state: FenceState, i: number, what: string): Iterable<Step<FenceState>> {
    if (rules['epoch-under-lock']) {
      if (state.locked && rules['lock-first']) return
      const passes = isLetIn(state, state.wire[i]!)
      yield step(state, `${what} ${passes ? 'passes its checks' : 'is refused'}`, (s) => {
        if (passes) enter(s, i)
        else refuse(s, i)
      })
    } else {
      const passes = isLetIn(state, state.wire[i]!)
      yield step(state, `${what} ${passes ? 'passes its checks, without the lock' : 'is refused'}`, (s) => {
        if (passes) s.wire[i]!.stage = 'passed'
        else refuse(s, i)
      })
    }
  }

  function* fenceLands(state: FenceState, i: number, what: string): Iterable<Step<FenceState>> {
    if (state.locked && rules['fence-under-lock']) return
    yield step(state, `${what} lands`, (s) => {
      const statement = s.wire[i]!
      const row = s.rows[statement.row]
      statement.stage = 'done'
      if (!row) {
        statement.answer = 'missing'
        return
      }
      if (rules['fence-raises-epoch']) row.epoch++
      statement.answer = { ...row }
      if (!rules['whole-result']) statement.answer.result = s.head
    })
  }

  function isLetIn({ rows }: FenceState, { row: index, epoch, number }: Statement): boolean {
    const row = rows[index]
    if (!row) return !rules['missing-row-refused']
    return epoch === row.epoch && (number > row.lastBatch || !rules['number-above-last'])
  }

  function enter(s: FenceState, i: number): void {
    const statement = s.wire[i]!
    statement.stage = 'inside'
    statement.revision = s.head + 1
    s.locked = rules['lock-first']
  }

  function refuse(s: FenceState, i: number): void {
    s.wire[i]!.stage = 'done'
    s.wire[i]!.answer = 'refused'
  }

  function commit(s: FenceState, i: number): void {
    const statement = s.wire[i]!
    const batch = s.batches[statement.batch]!
    s.head = Math.max(s.head, statement.revision)
    batch.timesApplied++
    batch.revision = statement.revision
    s.locked = false
    if (rules['row-with-batch']) record(s, statement)
    else statement.stage = 'unrecorded'
  }

  function record(s: FenceState, statement: Statement): void {
    const row = s.rows[statement.row]
    if (row) {
      row.lastBatch = statement.number
      row.result = statement.revision
    }
    statement.stage = 'done'
    statement.answer = 'applied'
  }

  /** A process takes its answer. */
  function receive(s: FenceState, i: number): void {
    const statement = s.wire[i]!
    const { answer, process: p } = statement
    const process = s.processes[p]!
    drop(s, i)
    if (answer === 'applied') {
      settle(s, p, 'acknowledged', statement.revision)
      process.phase = 'idle'
    } else if (answer === 'refused') {
      process.phase = 'unsure'
    } else if (answer === 'missing') {
      // Gone with what it knew.
      if (process.batch !== null) settle(s, p, 'unknown', 0)
      openRow(s, p)
    } else if (answer !== null) {
      process.epoch = answer.epoch
      const { batch, number } = process
      process.phase = 'idle'
      if (batch === null) return
      if (answer.lastBatch === number) settle(s, p, 'acknowledged', answer.result)
      else sendBatch(s, p, batch)
    }
  }

  function sendBatch(s: FenceState, p: number, batch: number): void {
    const process = s.processes[p]!
    process.batch = batch
    process.number++
    process.phase = 'waiting'
    s.wire.push({ ...statementOf(process, p, 'batch'), batch, number: process.number })
  }

  function sendFence(s: FenceState, p: number): void {
    const process = s.processes[p]!
    process.phase = 'fencing'
    process.fencesLeft--
    s.wire.push(statementOf(process, p, 'fence'))
  }

  function start(s: FenceState, p: number): void {
    const process = s.processes[p]!
    const row = s.rows[process.row]
    if (rules['row-per-start'] || !row) {
      openRow(s, p)
    } else {
      process.epoch = row.epoch
      process.number = row.lastBatch
      process.phase = 'idle'
    }
  }

  return { initial, steps, broken, identity: (state) => identity(state) }
}

function statementOf({ row, epoch }: Process, process: number, kind: Statement['kind']): Statement {
  return {
    ...{ kind, process, row, batch: -1, number: 0, epoch, stage: 'sent' },
    ...{ revision: 0, answer: null, awaited: true },
  }
}

function openRow(s: FenceState, p: number): void {
  const process = s.processes[p]!
  process.row = s.rows.push({ epoch: 1, lastBatch: 0, result: 0 }) - 1
  process.epoch = 1
  process.number = 0
  process.phase = 'idle'
}

function settle(s: FenceState, p: number, outcome: Batch['outcome'], answered: number): void {
  const process = s.processes[p]!
  const batch = s.batches[process.batch!]!
  batch.outcome = outcome
  batch.answered = answered
  process.batch = null
}

function forgetAnswers(s: FenceState, p: number): void {
  for (const statement of s.wire) if (statement.process === p) statement.awaited = false
}

function drop(s: FenceState, i: number): void {
  s.wire.splice(i, 1)
}

function broken({ batches }: FenceState): string[] {
  const names: string[] = []
  for (const { outcome, timesApplied, revision, answered } of batches) {
    if (timesApplied > 1) names.push(FENCE_INVARIANTS.twice)
    if (outcome === 'acknowledged' && timesApplied === 0) names.push(FENCE_INVARIANTS.notApplied)
    if (outcome === 'failed' && timesApplied > 0) names.push(FENCE_INVARIANTS.applied)
    if (outcome === 'acknowledged' && timesApplied > 0 && answered !== revision)
      names.push(FENCE_INVARIANTS.wrongResult)
  }
  const revisions = batches.flatMap((b) => (b.revision > 0 ? [b.revision] : []))
  if (new Set(revisions).size < revisions.length) names.push(FENCE_INVARIANTS.sharedRevision)
  return names
}

/** The order of what is on the wire says nothing. */
function identity(state: FenceState): string {
  const wire = state.wire.map((statement) =>
    Object.values(statement).join(statement.answer ? JSON.stringify(statement.answer) : ','),
  )
  const { head, locked, rows, processes, batches, repeatsLeft, removalsLeft } = state
  const flat = (list: readonly (object | null)[]) =>
    list.map((item) => (item ? Object.values(item).join() : '-')).join(';')
  return [
    head,
    locked,
    flat(rows),
    flat(processes),
    flat(batches),
    wire.sort().join('|'),
    repeatsLeft,
    removalsLeft,
  ].join(' ')
}
