import type { Json } from './json.ts'

/** The classic Socket.IO events (docs/protocol.md). `timestamp` is milliseconds since the epoch. */
export interface ClassicClientEvents {
  subscribe: (key: string) => void
  unsubscribe: (key: string) => void
}

export interface ClassicValueUpdate {
  key: string
  /** `null` also when the key was deleted. */
  value: Json
  timestamp: number
  revision: number
}

export interface ClassicServerEvents {
  subscribed: (
    answer:
      | { status: 'success'; key: string }
      | { status: 'error'; error: string; code: string; retryAfterSeconds?: number },
  ) => void
  valueUpdate: (update: ClassicValueUpdate) => void
  update: (update: { data: ClassicValueUpdate; timestamp: number }) => void
}
