/**
 * Explicit-state search. A model is a set of first states and a function from a state to every step that could be
 * taken next; `explore` visits all states that can be reached, nearest first, so that the trace kept for a broken
 * invariant is a shortest one. States of one `identity` are one state.
 */
export interface Model<State> {
  initial: State
  steps(state: State): Iterable<Step<State>>
  /** A text that is the same for states that behave alike; the shorter the faster. */
  identity(state: State): string
  /** Invariants (by name) that do not hold in the state itself. */
  broken?(state: State): string[]
}

export interface Step<State> {
  /** What happens, for the trace. */
  label: string
  state: State
  /** Invariants (by name) that this step breaks. */
  breaks?: string[]
}

export interface Exploration {
  states: number
  /** For each broken invariant the steps that lead to it. A state that breaks one is not gone on from. */
  violations: Map<string, string[]>
}

export interface Limits {
  /** More states than this are an error: the model would not be explored to its end. */
  maxStates?: number
  /** Stop once this invariant was found broken. */
  until?: string
}

export function explore<State>(model: Model<State>, limits: Limits = {}): Exploration {
  const { maxStates = 2_000_000, until } = limits
  const known = new Set<string>()
  const parents: number[] = []
  const labels: string[] = []
  const violations = new Map<string, string[]>()
  let frontier: { state: State; id: number }[] = []
  let next: typeof frontier = []

  const traceOf = (id: number): string[] => {
    const trace: string[] = []
    for (let at = id; at > 0; at = parents[at]!) trace.push(labels[at]!)
    return trace.reverse()
  }
  const visit = ({ label, state, breaks = [] }: Step<State>, parent: number): void => {
    const identity = model.identity(state)
    if (breaks.length === 0 && known.has(identity)) return
    const broken = [...breaks, ...(model.broken?.(state) ?? [])]
    const text = broken.length > 0 ? `${identity} ${broken}` : identity
    if (known.has(text)) return
    known.add(text)
    const id = labels.push(label) - 1
    parents.push(parent)
    for (const name of broken) if (!violations.has(name)) violations.set(name, traceOf(id))
    if (broken.length === 0) next.push({ state, id })
  }

  visit({ label: 'start', state: model.initial }, -1)
  while (next.length > 0) {
    frontier = next
    next = []
    for (const { state, id } of frontier) {
      for (const step of model.steps(state)) visit(step, id)
      if (known.size > maxStates) throw new Error(`more than ${maxStates} states: make the model smaller`)
      if (until !== undefined && violations.has(until)) return { states: known.size, violations }
    }
  }
  return { states: known.size, violations }
}

/** An exploration in words, for whoever wants to read how a rule's absence goes wrong. */
export function describeExploration(name: string, { states, violations }: Exploration): string {
  const lines = [`${name}: ${states} states`]
  for (const [invariant, trace] of violations) {
    lines.push(`  broken: ${invariant}`, ...trace.map((label, i) => `    ${i + 1}. ${label}`))
  }
  return lines.join('\n')
}
