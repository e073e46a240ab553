/** The store's tables as they are, read past the product. */
import pg from 'pg'
import type { LatestChanges, LatestEntry, LoggedChange } from './records.ts'

const PAGE = 20_000

export class DatabaseReader {
  readonly #url: string

  constructor(url: string) {
    this.#url = url
  }

  async head(): Promise<number> {
    return this.#with(async (client) => {
      const { rows } = await client.query('select revision from counter where id = 1')
      return Number(rows[0].revision)
    })
  }

  /** Resolves when a change of the key above the revision is there, with the revision of it, or after that time. */
  async waitForChange(key: string, above: number, withinMs: number): Promise<number | undefined> {
    return this.#with(async (client) => {
      for (const deadline = performance.now() + withinMs; performance.now() < deadline; ) {
        const { rows } = await client.query(
          'select max(revision) as revision from changes where key = $1 and revision > $2',
          [key, above],
        )
        if (rows[0].revision !== null) return Number(rows[0].revision)
      }
      return undefined
    })
  }

  async log(): Promise<LoggedChange[]> {
    return this.#with(async (client) => {
      const log: LoggedChange[] = []
      while (true) {
        const { rows } = await client.query(
          `select revision, key, value::text, extract(epoch from at) * 1000 as at, extract(epoch from time) * 1000 as time
             from changes where revision > $1 order by revision limit ${PAGE}`,
          [log.at(-1)?.revision ?? 0],
        )
        for (const { revision, key, value, at, time } of rows) {
          const base = { key, revision: Number(revision), atMs: Number(at), timeMs: Number(time) }
          log.push(
            value === null ? { ...base, op: 'delete' } : { ...base, op: 'put', value: JSON.parse(value) },
          )
        }
        if (rows.length < PAGE) return log
      }
    })
  }

  /** Of each key the last change up to that revision. */
  async latestChanges(through: number): Promise<LatestChanges> {
    return this.#with(async (client) => {
      const { rows } = await client.query(
        `select distinct on (key) key, revision, value is null as deleted
           from changes where revision <= $1 order by key, revision desc`,
        [through],
      )
      return new Map(
        rows.map(({ key, revision, deleted }) => [key, { revision: Number(revision), isDelete: deleted }]),
      )
    })
  }

  async deletedSince(revision: number): Promise<Set<string>> {
    return this.#with(async (client) => {
      const { rows } = await client.query(
        'select distinct key from changes where revision > $1 and value is null',
        [revision],
      )
      return new Set(rows.map(({ key }) => key))
    })
  }

  /** With the database's clock, which expiry goes by. */
  async entries(): Promise<{ entries: LatestEntry[]; nowMs: number }> {
    return this.#with(async (client) => {
      const { rows } = await client.query(
        `select key, value::text, revision, extract(epoch from expires_at) * 1000 as expires from entries`,
      )
      const now = await client.query('select extract(epoch from clock_timestamp()) * 1000 as now')
      const entries = rows.map(({ key, value, revision, expires }) => ({
        ...{ key, value: JSON.parse(value), revision: Number(revision) },
        ...(expires !== null && { expiresAtMs: Number(expires) }),
      }))
      return { entries, nowMs: Number(now.rows[0].now) }
    })
  }

  async #with<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    const client = new pg.Client({ connectionString: this.#url, connectionTimeoutMillis: 5_000 })
    client.on('error', () => {})
    await client.connect()
    try {
      return await work(client)
    } finally {
      await client.end().catch(() => {})
    }
  }
}
