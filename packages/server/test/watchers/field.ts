import type { Json } from '@livekv/protocol'
import type { LatestEntry, LoggedChange } from '../sigkill/check-log.ts'
import type { TestApp } from '../support/test-app.ts'

export type FieldWrite = { op: 'put'; key: string; value: Json } | { op: 'delete'; key: string }

/** The instances of a run, and the way by which they are written to and looked into. */
export interface Field {
  ports: readonly number[]
  /** Whether the log is cut, so that what a watcher missed may be gone. */
  mayReset: boolean
  write(writes: readonly FieldWrite[]): Promise<void>
  /** Does to the instances what is done to them, until the signal; resolves when they are well again. */
  disturb(random: () => number, signal: AbortSignal): Promise<void>
  entries(): Promise<LatestEntry[]>
  /** From revision 1 on. */
  log(): Promise<LoggedChange[]>
}

/** Whole servers over one database, written to by HTTP; each learns of what another wrote by asking the log. */
export function servers(apps: readonly [TestApp, ...TestApp[]]): Field {
  const [first] = apps
  let written = 0
  return {
    ports: apps.map(({ port }) => port),
    mayReset: false,
    async write(writes) {
      const app = apps[written++ % apps.length]!
      const { status, text } = await app.call('POST', '/api/v1/batch', { writes })
      if (status !== 200) throw new Error(`A write was answered ${status} ${text}`)
    },
    async disturb() {},
    entries: async () => (await first.call('GET', '/api/v1/entries?limit=1000')).json.entries,
    async log() {
      const log: LoggedChange[] = []
      for (let head = 1; log.length < head; ) {
        const { json } = await first.call('GET', `/api/v1/changes?limit=5000&since=${log.length}`)
        head = json.head
        log.push(...json.changes)
      }
      return log
    },
  }
}
