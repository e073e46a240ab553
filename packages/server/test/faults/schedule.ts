/** Which faults there will be, in which order, how long and to whom: all of it chosen by the seed before anything runs. */
import { seededRandom } from '../support/seeded-random.ts'

export type LinkedService = 'postgres' | 'redis' | 'kafka'

export type FaultAction =
  /** SIGKILL, and started again. */
  | { kind: 'kill'; instance: number }
  /** SIGSTOP, then SIGCONT. */
  | { kind: 'pause'; instance: number }
  /** The same for longer than Kafka keeps a consumer that is silent, and Socket.IO a client. */
  | { kind: 'longPause'; instance: number }
  /** The way from these instances to a service. */
  | { kind: 'cut' | 'refuse' | 'blackHole' | 'abandon'; service: LinkedService; instances: number[] }
  | { kind: 'delay'; service: LinkedService; instances: number[]; delayMs: number }
  /** What PostgreSQL answers does not arrive; then the connections are cut. */
  | { kind: 'loseAnswers'; instances: number[] }
  | { kind: 'restartRedis' | 'flushRedis' | 'killRedis' }
  | { kind: 'restartKafka' | 'killKafka' | 'deleteTopic' }
  | { kind: 'restartPostgres'; mode: 'fast' | 'immediate' }
  /** SIGKILL as soon as a write of the instance is in the database; or when it has acknowledged one, with Kafka out of its reach. */
  | { kind: 'killUnpublished'; instance: number; atCommit: boolean }
  /** No instance reaches Kafka; what one writes then, watchers at the others must see all the same. */
  | { kind: 'darkKafka'; instance: number }
  | { kind: 'reloadNginx' }
  /** SIGTERM and a start, one instance after the other. */
  | { kind: 'rollingRestart' }

export type Fault = FaultAction & {
  /** How long it lasts, where that is ours to say. */
  holdMs: number
  /** From its beginning to that of the next one. */
  untilNextMs: number
  /** It may begin while others are not over, if they leave each other alone. */
  meetsOthers: boolean
}

type Random = () => number
type Deal = (random: Random) => FaultAction

export const INSTANCES = 3
const ALL = Array.from({ length: INSTANCES }, (_, index) => index)
const LONGEST_HOLD_MS = 7_000
const LONG_PAUSE_MS = 36_000
/** A long pause comes in the last of so many rounds: in no short run. */
const ROUNDS_PER_LONG_PAUSE = 3

/** One of each is dealt before any comes again. */
const CLASSES: readonly Deal[] = [
  (random) => ({ kind: 'kill', instance: below(INSTANCES, random) }),
  (random) => ({ kind: 'pause', instance: below(INSTANCES, random) }),
  (random) => spoilLink('postgres', random),
  (random) => spoilLink('redis', random),
  (random) => spoilLink('kafka', random),
  // On a busy machine one instance alone may lose none that matters: what has a key or a condition is not applied twice.
  () => ({ kind: 'loseAnswers', instances: ALL }),
  (random) => ({ kind: pick(['restartRedis', 'flushRedis', 'killRedis'], random) }),
  (random) => ({ kind: pick(['restartKafka', 'killKafka'], random) }),
  () => ({ kind: 'deleteTopic' }),
  (random) => ({ kind: 'restartPostgres', mode: pick(['fast', 'immediate'], random) }),
  (random) => ({
    kind: 'killUnpublished',
    instance: below(INSTANCES, random),
    atCommit: random() < 0.5,
  }),
  (random) => ({ kind: 'darkKafka', instance: below(INSTANCES, random) }),
  () => ({ kind: 'reloadNginx' }),
  () => ({ kind: 'rollingRestart' }),
]

export const FAULT_CLASSES = CLASSES.length

/** In rounds, after each of which everything is healed. `meanMs`: from the beginning of one fault to that of the next. */
export function planRounds(seed: number, count: number, meanMs: number): Fault[][] {
  const random = seededRandom(seed)
  const rounds: Fault[][] = []
  for (let left = count; left > 0; ) {
    const deals = [...CLASSES]
    if ((rounds.length + 1) % ROUNDS_PER_LONG_PAUSE === 0) deals.push(longPause)
    const round = shuffled(deals, random).map((deal): Fault => {
      const action = deal(random)
      const untilNextMs = Math.round(meanMs * (0.5 + random()))
      const holdMs = Math.round(Math.min(LONGEST_HOLD_MS, untilNextMs * (0.2 + 0.6 * random())))
      return {
        ...action,
        holdMs: action.kind === 'longPause' ? LONG_PAUSE_MS : holdMs,
        untilNextMs,
        meetsOthers: random() < 0.3,
      }
    })
    rounds.push(round.slice(0, left))
    left -= round.length
  }
  return rounds
}

/** What a fault needs for itself. */
export function touchedBy(fault: FaultAction): readonly string[] {
  switch (fault.kind) {
    case 'kill':
    case 'pause':
    case 'longPause':
      return ['instances']
    case 'killUnpublished':
      return ['instances', 'kafka', 'postgres']
    case 'cut':
    case 'refuse':
    case 'blackHole':
    case 'abandon':
    case 'delay':
      return [fault.service]
    case 'loseAnswers':
    case 'restartPostgres':
      return ['postgres']
    case 'restartRedis':
    case 'flushRedis':
    case 'killRedis':
      return ['redis']
    case 'restartKafka':
    case 'killKafka':
      return ['kafka']
    case 'deleteTopic':
      return ['kafka', 'postgres']
    case 'reloadNginx':
      return ['nginx']
    // An instance that cannot reach PostgreSQL may not end in time; a watcher without its instance is not told.
    case 'rollingRestart':
    case 'darkKafka':
      return ['instances', 'kafka', 'postgres', 'redis', 'nginx']
  }
}

function longPause(random: Random): FaultAction {
  return { kind: 'longPause', instance: below(INSTANCES, random) }
}

function spoilLink(service: LinkedService, random: Random): FaultAction {
  const instances = oneOrAll(random)
  const kind = pick(['cut', 'refuse', 'blackHole', 'abandon', 'delay'], random)
  if (kind !== 'delay') return { kind, service, instances }
  return { kind, service, instances, delayMs: 20 + below(480, random) }
}

function oneOrAll(random: Random): number[] {
  return random() < 0.3 ? ALL : [below(INSTANCES, random)]
}

function below(limit: number, random: Random): number {
  return Math.floor(random() * limit)
}

function pick<const T>(items: readonly T[], random: Random): T {
  return items[below(items.length, random)]!
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const rest = [...items]
  return items.map(() => rest.splice(below(rest.length, random), 1)[0]!)
}
