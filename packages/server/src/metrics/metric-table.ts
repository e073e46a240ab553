/**
 * Every metric of ours, in one place: `metrics.ts` registers them, and docs/metrics.md is generated from it. All but the
 * histograms are read when they are asked for, from numbers that the parts keep anyway. No label has a value that comes
 * from outside: neither keys nor addresses.
 */
import type { HttpCounts } from './http-counts.ts'

interface HasProblem {
  readonly problem: string | null
}

/** What the metrics are read from. A part that is not there, or does not count a thing, has no metric of it. */
export interface MetricParts {
  hub: {
    contiguous: number
    knownHead: number
    tail: { size: number; bytes: number; pending: number }
    stats(): { gapsFilled: number; gapChanges: number; jumps: number }
  }
  keyValue: { stats(): { tail: number; cache: number; database: number; rejected: number } }
  sockets: {
    stats(): { sockets: number; subscriptions: number; slow: number; owed: number; delivered: number }
  }
  live: { stats(): { sockets: number; watches: number; slow: number; waiting: number; delivered: number } }
  http: Pick<HttpCounts, 'stats'>
  errors: { stats(): Record<string, number> }
  commits: { stats(): { failed: number } }
  store: { info: { engine?: { checkpoints: number; longestCheckpointMs: number } } }
  cache: HasProblem & {
    stats?(): {
      hits?: number
      misses?: number
      lost?: number
      corrupt?: number
      failures?: number
      skipped?: number
    }
  }
  cluster?: HasProblem | undefined
  bus: HasProblem & {
    stats?(): {
      backlog?: number
      backlogBytes?: number
      published?: number
      received?: number
      republished?: number
      dropped?: number
      refused?: number
      restarts?: number
    }
  }
  republisher?: { stats(): { holdsLease?: number; publishedThrough?: number } } | undefined
  limits?: { stats(): { limited?: number } } | undefined
}

export interface Metric {
  name: string
  type: 'counter' | 'gauge'
  help: string
  /** Its values are by this label. */
  label?: string
  read(parts: MetricParts): number | Record<string, number> | undefined
}

export interface HistogramMetric {
  name: string
  help: string
  buckets: number[]
}

export const COMMIT_SECONDS: HistogramMetric = {
  name: 'livekv_commit_duration_seconds',
  help: 'Time from handing a batch to the store to its answer, which is when its writes are durable.',
  buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 15],
}

export const COMMIT_WRITES: HistogramMetric = {
  name: 'livekv_commit_writes',
  help: 'Writes in a batch: what arrived while the batch before was committed.',
  buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000],
}

export const HISTOGRAMS: readonly HistogramMetric[] = [COMMIT_SECONDS, COMMIT_WRITES]

const gauge = (name: string, help: string, read: Metric['read'], label?: string): Metric => ({
  name,
  type: 'gauge',
  help,
  read,
  ...(label !== undefined && { label }),
})
const counter = (name: string, help: string, read: Metric['read'], label?: string): Metric => ({
  ...gauge(name, help, read, label),
  type: 'counter',
})

export const METRICS: readonly Metric[] = [
  counter(
    'livekv_commits_failed_total',
    'Batches that the store refused, or of which it did not say in time whether they are committed.',
    ({ commits }) => commits.stats().failed,
  ),
  gauge(
    'livekv_log_head_revision',
    'Highest revision of the log this instance has heard of.',
    ({ hub }) => hub.knownHead,
  ),
  gauge(
    'livekv_contiguous_revision',
    'Revision up to which this instance has seen every change.',
    ({ hub }) => hub.contiguous,
  ),
  gauge(
    'livekv_hub_lag_revisions',
    'How far the two above are apart; above 0 for longer than moments, watchers here are shown what is old.',
    ({ hub }) => Math.max(0, hub.knownHead - hub.contiguous),
  ),
  counter(
    'livekv_gaps_filled_total',
    'Gaps in what the bus brought that were filled from the log.',
    ({ hub }) => hub.stats().gapsFilled,
  ),
  counter(
    'livekv_gap_changes_total',
    'Changes that came from the log that way.',
    ({ hub }) => hub.stats().gapChanges,
  ),
  counter(
    'livekv_hub_jumps_total',
    'Gaps that were too large or no longer in the log, so that what is watched was read anew.',
    ({ hub }) => hub.stats().jumps,
  ),
  gauge(
    'livekv_tail_entries',
    'Keys whose latest revision is kept to check the cache by.',
    ({ hub }) => hub.tail.size,
  ),
  gauge('livekv_tail_bytes', 'Values kept with them, in characters.', ({ hub }) => hub.tail.bytes),
  counter(
    'livekv_reads_total',
    'Keys read, by where the answer came from: `tail` (changed lately), `cache`, or `database`.',
    ({ keyValue }) => {
      const { tail, cache, database } = keyValue.stats()
      return { tail, cache, database }
    },
    'source',
  ),
  counter(
    'livekv_cache_rejected_total',
    'Cached items that were not believed, because the key may have changed since.',
    ({ keyValue }) => keyValue.stats().rejected,
  ),
  counter('livekv_cache_hits_total', 'Items found in Redis.', ({ cache }) => cache.stats?.().hits),
  counter(
    'livekv_cache_misses_total',
    'Items asked for and not found in Redis.',
    ({ cache }) => cache.stats?.().misses,
  ),
  counter(
    'livekv_cache_lost_total',
    'Items that were not put into Redis, because it was away, failed or too slow, or because they are too large.',
    ({ cache }) => cache.stats?.().lost,
  ),
  counter(
    'livekv_cache_corrupt_total',
    'Items in Redis that this server did not write so.',
    ({ cache }) => cache.stats?.().corrupt,
  ),
  counter(
    'livekv_cache_failures_total',
    'Calls to Redis that were not answered in time or whose connection broke.',
    ({ cache }) => cache.stats?.().failures,
  ),
  counter(
    'livekv_cache_skipped_total',
    'Calls that went around Redis while it was away.',
    ({ cache }) => cache.stats?.().skipped,
  ),
  gauge(
    'livekv_degraded',
    '1 while the instance does without this part, else 0; its log says why.',
    ({ cache, bus, cluster }) => ({
      cache: cache.problem === null ? 0 : 1,
      bus: bus.problem === null ? 0 : 1,
      sockets: (cluster?.problem ?? null) === null ? 0 : 1,
    }),
    'part',
  ),
  gauge('livekv_bus_backlog', 'Changes that wait to be sent to Kafka.', ({ bus }) => bus.stats?.().backlog),
  gauge('livekv_bus_backlog_bytes', 'Their size.', ({ bus }) => bus.stats?.().backlogBytes),
  counter('livekv_bus_published_total', 'Changes sent to Kafka.', ({ bus }) => bus.stats?.().published),
  counter('livekv_bus_received_total', 'Changes that came from Kafka.', ({ bus }) => bus.stats?.().received),
  counter(
    'livekv_bus_republished_total',
    'Changes sent again because they had not come back from Kafka.',
    ({ bus }) => bus.stats?.().republished,
  ),
  counter(
    'livekv_bus_dropped_total',
    'Changes not sent because the backlog was full; they are sent again from the log.',
    ({ bus }) => bus.stats?.().dropped,
  ),
  counter(
    'livekv_bus_refused_total',
    'Changes that Kafka refused for good.',
    ({ bus }) => bus.stats?.().refused,
  ),
  counter(
    'livekv_bus_restarts_total',
    'How often producer and consumer were built anew after an error.',
    ({ bus }) => bus.stats?.().restarts,
  ),
  gauge(
    'livekv_republisher',
    '1 if it is this instance that sends again what Kafka has lost, else 0.',
    ({ republisher }) => republisher?.stats().holdsLease,
  ),
  gauge(
    'livekv_published_through_revision',
    'Revision up to which every change is known to have come back from Kafka.',
    ({ republisher }) => republisher?.stats().publishedThrough,
  ),
  gauge(
    'livekv_http_connections',
    'Open connections, those of WebSockets included.',
    ({ http }) => http.stats().connections,
  ),
  counter(
    'livekv_http_requests_total',
    'Requests, but for those of Socket.IO.',
    ({ http }) => http.stats().requests,
  ),
  gauge(
    'livekv_sockets',
    'Connected sockets, by protocol: `classic` or `live`.',
    ({ sockets, live }) => ({ classic: sockets.stats().sockets, live: live.stats().sockets }),
    'protocol',
  ),
  gauge(
    'livekv_subscriptions',
    'Keys that classic sockets follow, counted per socket.',
    ({ sockets }) => sockets.stats().subscriptions,
  ),
  gauge('livekv_watches', 'Watches of the live protocol.', ({ live }) => live.stats().watches),
  counter(
    'livekv_deliveries_total',
    'Values given to sockets, counted per socket and event; those that a slow socket skips are not.',
    ({ sockets, live }) => ({ classic: sockets.stats().delivered, live: live.stats().delivered }),
    'protocol',
  ),
  gauge(
    'livekv_slow_sockets',
    'Sockets that are owed something, because they cannot take more at the moment.',
    ({ sockets, live }) => ({ classic: sockets.stats().slow, live: live.stats().slow }),
    'protocol',
  ),
  gauge(
    'livekv_owed_values',
    'Values they are owed: at most the latest of each key.',
    ({ sockets, live }) => ({ classic: sockets.stats().owed, live: live.stats().waiting }),
    'protocol',
  ),
  counter(
    'livekv_rate_limited_total',
    'Requests and events refused because their address had used its rate up.',
    ({ limits }) => limits?.stats().limited,
  ),
  counter(
    'livekv_errors_total',
    'Errors that clients were told, by code (errors.md).',
    ({ errors }) => errors.stats(),
    'code',
  ),
  counter(
    'livekv_embedded_checkpoints_total',
    'Checkpoints of the embedded store, which answers nothing meanwhile.',
    ({ store }) => store.info.engine?.checkpoints,
  ),
  gauge(
    'livekv_embedded_longest_checkpoint_seconds',
    'The longest of them.',
    ({ store }) => store.info.engine && store.info.engine.longestCheckpointMs / 1_000,
  ),
]
