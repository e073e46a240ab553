import type { LiveKVError } from '@livekv/protocol'
import type { Config } from '../config.ts'
import type { KeyValue } from '../key-value.ts'
import type { RateLimits } from '../limits/rate-limits.ts'
import type { PresenceReport } from '../live/presence.ts'
import type { Log } from '../log.ts'
import type { ErrorCounts } from '../metrics/error-counts.ts'
import type { Store } from '../store/store.ts'
import type { ETags } from './etag.ts'
import type { Origins } from './origins.ts'

/** What the instance can do without. */
export type DegradedPart = 'cache' | 'bus' | 'sockets'

/** What the instance says of itself in /readyz and /api/v1/status. */
export interface Health {
  /** Null: takes requests. Otherwise why it does not. */
  problem: LiveKVError | null
  /** Up to here this instance has seen every change; null: not known yet. */
  contiguous: number | null
  /** What does not work at present, while the instance does. */
  degraded: readonly DegradedPart[]
}

/** What the routes work with. */
export interface HttpContext {
  config: Config
  log: Log
  keyValue: Pick<KeyValue, 'write' | 'get' | 'getMany' | 'keys'>
  store: Pick<Store, 'info' | 'list' | 'history' | 'candles' | 'changesSince' | 'head'>
  origins: Origins
  limits: Pick<RateLimits, 'read' | 'write'>
  etags: ETags
  instance: string
  errors: ErrorCounts
  /** In Prometheus' text format. */
  metrics(): Promise<{ contentType: string; text: string }>
  health(): Health
  /** Whether this instance has seen everything up to the revision, or does within `timeoutMs`. */
  reach(revision: number, timeoutMs: number): Promise<boolean>
  /** Who is connected; with a key: how many watch it. */
  presence(key?: string): Promise<PresenceReport>
}
