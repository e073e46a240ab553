import type { LiveKVError } from '@livekv/protocol'
import type { Config } from '../config.ts'
import type { KeyValue } from '../key-value.ts'
import type { PresenceReport } from '../live/presence.ts'
import type { Log } from '../log.ts'
import type { Store } from '../store/store.ts'
import type { ETags } from './etag.ts'
import type { Origins } from './origins.ts'

/** What the instance says of itself in /readyz and /api/v1/status. */
export interface Health {
  /** Null: takes requests. Otherwise why it does not. */
  problem: LiveKVError | null
  /** Up to here this instance has seen every change; null: not known yet. */
  contiguous: number | null
}

/** What the routes work with. */
export interface HttpContext {
  config: Config
  log: Log
  keyValue: Pick<KeyValue, 'write' | 'get' | 'getMany' | 'keys'>
  store: Pick<Store, 'info' | 'list' | 'history' | 'candles' | 'changesSince' | 'head'>
  origins: Origins
  etags: ETags
  instance: string
  health(): Health
  /** Who is connected; with a key: how many watch it. */
  presence(key?: string): Promise<PresenceReport>
}
