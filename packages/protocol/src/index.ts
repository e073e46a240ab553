export type { Candle, Change } from './change.ts'
export type { Entry } from './entry.ts'
export { ERRORS, type ErrorBody, type ErrorCode, LiveKVError } from './errors.ts'
export type { ClassicClientEvents, ClassicServerEvents, ClassicValueUpdate } from './events.ts'
export type { Json } from './json.ts'
export {
  type Answer,
  type ChangesFrame,
  FRAME_MAX_BYTES,
  type LiveClientEvents,
  type LiveServerEvents,
  PROTOCOL,
  SELECTION_MAX_KEYS,
  type SnapshotFrame,
  type WatchAnswer,
  type WatchRequest,
  type WriteAnswer,
  type WriteRequest,
} from './watch-events.ts'
