/** What goes over the port between the main thread and the engine's worker. */

export interface EngineStart {
  dataDir: string
}

/** Bytes are whole frontend messages; each one posted is answered by one `ToMain` of bytes, empty ones too. */
export type ToEngine =
  | Uint8Array
  /** A new session begins: forget the old one's transaction, settings and prepared statements. */
  | 'reset'
  /** Checkpoint and end. */
  | 'close'

export type ToMain =
  | Uint8Array
  | { type: 'ready'; version: string }
  | { type: 'failed'; message: string }
  | { type: 'stats'; stats: EngineStats }
  | { type: 'maintenance'; statement: string; durationMs: number; walBytes: number }

export interface EngineStats {
  checkpoints: number
  lastCheckpointMs: number
  longestCheckpointMs: number
  walBytesSinceCheckpoint: number
}
