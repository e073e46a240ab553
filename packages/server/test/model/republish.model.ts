import type { Model, Step } from './explorer.ts'
import type { RepublishRules } from './republish.rules.ts'

/**
 * Instances that publish to a topic which loses records and is deleted once, and the mark up to which all is in it.
 *
 *   instance   commits and publishes; reads records of the topic it knows; claims the lease and moves the mark;
 *              as holder sends again what it has not read; learns of the new topic; ends and starts again
 *   wire       a record lands in the topic it was sent to, or never; a claim lands at any time after it was sent
 *   topic      is deleted and made anew; the old one takes and gives records a while longer
 *
 * Sets of revisions are bits of a number.
 */
export interface RepublishState {
  head: number
  /** Records in the first topic and in the one made after it. */
  topics: [number, number]
  /** Records on their way to each. */
  flying: [number, number]
  /** The topic by that name now; 0 until the deletion. */
  current: Topic
  /** The deleted topic still takes and gives records. */
  lingers: boolean
  /** Head at the deletion: what was committed before need not be in the new topic. */
  headAtDeletion: number
  mark: Mark | null
  holder: number | null
  instances: Instance[]
  claims: (Claim | null)[]
  startsLeft: number
}

type Topic = 0 | 1

interface Mark {
  topic: Topic
  through: number
}

interface Instance {
  topic: Topic
  seen: number
  told: Mark | null
  believesToHold: boolean
}

interface Claim extends Mark {
  awaited: boolean
}

export interface RepublishOptions {
  rules: RepublishRules
  instances: number
  maxHead: number
  deletions: 0 | 1
  restarts: number
  /** Revisions the broker refuses for good. */
  refused: readonly number[]
}

export const REPUBLISH_INVARIANTS = {
  passed: 'the mark has passed a revision that is not in the topic',
  fell: 'the mark falls within a topic',
  stuck: 'the mark cannot reach the head of the log any more',
} as const

const bit = (revision: number) => 1 << revision

export function republishModel(options: RepublishOptions): Model<RepublishState> {
  const { rules, maxHead } = options
  const refused = options.refused.reduce((bits, revision) => bits | bit(revision), 0)
  const fresh = (topic: Topic): Instance => ({ topic, seen: 0, told: null, believesToHold: false })
  const initial: RepublishState = {
    ...{ head: 0, topics: [0, 0], flying: [0, 0], current: 0, lingers: false, headAtDeletion: 0 },
    ...{ mark: null, holder: null, startsLeft: options.restarts },
    instances: Array.from({ length: options.instances }, () => fresh(0)),
    claims: Array.from({ length: options.instances }, () => null),
  }

  /** `change` works on a copy. */
  function step(
    state: RepublishState,
    label: string,
    change: (copy: RepublishState) => void,
  ): Step<RepublishState> {
    const copy: RepublishState = {
      ...state,
      topics: [...state.topics],
      flying: [...state.flying],
      instances: state.instances.map((instance) => ({ ...instance })),
      claims: state.claims.map((claim) => claim && { ...claim }),
    }
    change(copy)
    const { mark } = state
    const fell = mark && copy.mark?.topic === mark.topic && copy.mark.through < mark.through
    return { label, state: copy, breaks: fell ? [REPUBLISH_INVARIANTS.fell] : [] }
  }

  function* steps(state: RepublishState): Iterable<Step<RepublishState>> {
    for (let i = 0; i < state.instances.length; i++) {
      yield* instanceSteps(state, i)
      yield* claimSteps(state, i)
    }
    for (const topic of [0, 1] as const) {
      for (let r = 1; r <= state.head; r++) {
        if (!(state.flying[topic] & bit(r))) continue
        const name = `record ${r}, sent to topic ${topic + 1},`
        if (exists(state, topic)) {
          yield step(state, `${name} lands`, (s) => {
            s.flying[topic] &= ~bit(r)
            s.topics[topic] |= bit(r)
          })
        }
        yield step(state, `${name} is lost`, (s) => {
          s.flying[topic] &= ~bit(r)
        })
      }
    }
    if (state.current === 0 && options.deletions > 0) {
      yield step(state, 'the topic is deleted and made anew', (s) => {
        s.current = 1
        s.lingers = true
        s.headAtDeletion = s.head
      })
    }
    if (state.lingers) {
      yield step(state, 'the old topic is gone everywhere', (s) => {
        s.lingers = false
      })
    }
    if (state.holder !== null) {
      yield step(state, 'the lease runs out', (s) => {
        s.holder = null
      })
    }
  }

  function* instanceSteps(state: RepublishState, i: number): Iterable<Step<RepublishState>> {
    const { topic, seen, told, believesToHold } = state.instances[i]!
    const name = `instance ${i + 1}`
    if (state.head < maxHead) {
      yield step(state, `${name} commits ${state.head + 1} and publishes it`, (s) => send(s, i, ++s.head))
    }
    for (let r = 1; r <= state.head; r++) {
      if (seen & bit(r)) continue
      if (exists(state, topic) && state.topics[topic] & bit(r)) {
        yield step(state, `${name} reads ${r} from topic ${topic + 1}`, (s) => {
          s.instances[i]!.seen |= bit(r)
        })
      }
      const isOwed = believesToHold && told?.topic === topic && r > told.through
      if (rules['sent-again'] && isOwed && !(state.flying[topic] & bit(r))) {
        yield step(state, `${name} publishes ${r} again`, (s) => send(s, i, r))
      }
    }
    if (topic !== state.current) {
      yield step(state, `${name} learns of the new topic`, (s) => {
        const instance = s.instances[i]!
        instance.topic = s.current
        if (rules['seen-of-topic']) instance.seen = 0
      })
    }
    if (!state.claims[i]) {
      yield step(state, `${name} sends a claim`, (s) => {
        const isOfTopic = told && (told.topic === topic || !rules['mark-of-topic'])
        s.claims[i] = { topic, through: isOfTopic ? through(seen, told.through) : 0, awaited: true }
      })
    }
    if (state.startsLeft > 0) {
      yield step(state, `${name} is killed and starts again`, (s) => {
        s.instances[i] = fresh(s.current)
        s.startsLeft--
        const claim = s.claims[i]
        if (claim) claim.awaited = false
      })
    }
  }

  function* claimSteps(state: RepublishState, i: number): Iterable<Step<RepublishState>> {
    const claim = state.claims[i]
    if (!claim) return
    yield step(
      state,
      `the claim of instance ${i + 1} (topic ${claim.topic + 1}, ${claim.through}) lands`,
      (s) => {
        const isHeld = s.holder === null || s.holder === i
        if (isHeld) {
          s.holder = i
          s.mark = moved(s, claim)
        }
        s.claims[i] = null
        if (!claim.awaited) return
        s.instances[i]!.told = s.mark
        s.instances[i]!.believesToHold = isHeld
      },
    )
    yield step(state, `the claim of instance ${i + 1} is lost`, (s) => {
      s.claims[i] = null
    })
  }

  function moved({ mark, headAtDeletion }: RepublishState, claim: Mark): Mark {
    const { topic } = claim
    if (!mark) return { topic, through: rules['mark-of-topic'] ? 0 : claim.through }
    if (mark.topic === topic || !rules['mark-of-topic']) {
      return {
        topic,
        through: rules['mark-never-falls'] ? Math.max(mark.through, claim.through) : claim.through,
      }
    }
    return {
      topic,
      through: rules['mark-falls-back'] ? Math.min(mark.through, headAtDeletion) : mark.through,
    }
  }

  function send(s: RepublishState, i: number, revision: number): void {
    const instance = s.instances[i]!
    if (refused & bit(revision)) {
      if (rules['refused-is-seen']) instance.seen |= bit(revision)
      return
    }
    s.flying[instance.topic] |= bit(revision)
    if (!rules['seen-is-consumed']) instance.seen |= bit(revision)
  }

  function exists({ current, lingers }: RepublishState, topic: Topic): boolean {
    return topic === current || lingers
  }

  function through(seen: number, from: number): number {
    let revision = from
    while (seen & bit(revision + 1)) revision++
    return revision
  }

  function broken(state: RepublishState): string[] {
    const { mark, topics, headAtDeletion, head, current } = state
    if (!mark) return []
    // A mark of the old topic speaks of what nobody can read any more.
    const first = mark.topic === current ? (current === 0 ? 1 : headAtDeletion + 1) : Number.POSITIVE_INFINITY
    for (let r = first; r <= mark.through; r++) {
      if (!((topics[current] | refused) & bit(r))) return [REPUBLISH_INVARIANTS.passed]
    }
    // A fresh instance alone, and nothing is lost from here on.
    const start = moved(state, { topic: current, through: 0 }).through
    let seen = topics[current]
    for (let r = start + 1; r <= head; r++) {
      if (!rules['sent-again']) break
      if (!(refused & bit(r)) || rules['refused-is-seen']) seen |= bit(r)
    }
    return through(seen, start) < head ? [REPUBLISH_INVARIANTS.stuck] : []
  }

  return { initial, steps, broken, identity }
}

function identity(state: RepublishState): string {
  const mark = (m: Mark | null) => (m ? `${m.topic}${m.through}` : '-')
  const { head, topics, flying, current, lingers, headAtDeletion, holder, startsLeft } = state
  const rest = [head, ...topics, ...flying, current, lingers, headAtDeletion, holder, startsLeft].join()
  const instances = state.instances.map((i) => `${i.topic},${i.seen},${mark(i.told)},${i.believesToHold}`)
  const claims = state.claims.map((claim) => `${mark(claim)}${claim?.awaited}`)
  return `${rest} ${mark(state.mark)} ${instances} ${claims}`
}
