/** Filled by the configuration table; every other file takes its settings from here. */
export interface Config {
  host: string
  port: number
  dataDir: string
  /** Set: that PostgreSQL. Unset: the embedded one in `dataDir`. */
  databaseUrl: string | undefined
  databasePoolSize: number
  /** Origins besides the server's own that browsers may call from. */
  allowedOrigins: string[]
  keysLimit: number
  historyMaxChanges: number
  historyRetentionMs: number | undefined
  maxKeyBytes: number
  maxValueBytes: number
  maxBodyBytes: number
  maxBatchItems: number
  cacheMaxBytes: number
  tailMaxEntries: number
  shutdownTimeoutMs: number
  logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent'
}
